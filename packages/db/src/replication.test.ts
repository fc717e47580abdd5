// Messages as Postgres 18 sent them for one transaction of two events.

import assert from "node:assert/strict";
import { test } from "node:test";
import { formatLsn, type LogTransaction, logDecoder, parseLsn } from "./replication.ts";

const begin = "4200000000065e6e10000303befeb2b39900002f39";
const relation =
  "52000049387075626c6963006f7574626f780064000900706f736974696f6e0000000014ffffffff0169640000000b86ffffffff006b65790000000b86ffffffff00746f7069630000000019ffffffff0076657273696f6e0000000015ffffffff007061796c6f61640000000edaffffffff00726571756573745f69640000000019ffffffff007472616365706172656e740000000019ffffffff01637265617465645f617400000004a000000003";
const relationOfPartition =
  "52000049477075626c6963006f7574626f785f64656661756c740064000900706f736974696f6e0000000014ffffffff0169640000000b86ffffffff006b65790000000b86ffffffff00746f7069630000000019ffffffff0076657273696f6e0000000015ffffffff007061796c6f61640000000edaffffffff00726571756573745f69640000000019ffffffff007472616365706172656e740000000019ffffffff01637265617465645f617400000004a000000003";
const first =
  "49000049384e000974000000053630323530740000002430313839303030302d303030302d373030302d383030302d303030303030303030303031740000002430313839303030302d303030302d373030302d383030302d303030303030303030303061740000000c706f73742e6372656174656474000000013174000000207b2274657874223a20226772c3bc6e222c2022757365724964223a202261227d7400000009726571756573742d316e7400000018323032362d31312d32312030323a30393a33342e352b3030";
const second =
  "49000049384e000974000000053630323531740000002430313839303030302d303030302d373030302d383030302d303030303030303030303032740000002430313839303030302d303030302d373030302d383030302d303030303030303030303061740000000c706f73742e64656c6574656474000000013274000000027b7d7400000009726571756573742d32740000003730302d30616637363531393136636434336464383434386562323131633830333139632d623761643662373136393230333333312d3031740000001a323032362d31312d32312030323a30393a33342e3530312b3030";
const commit = "430000000000065e6e1000000000065e6e40000303befeb2b399";

function decodeAll(messages: string[]): LogTransaction[] {
  const transactions: LogTransaction[] = [];
  const decoder = logDecoder({ transaction: (each) => transactions.push(each), reached() {} });
  for (const message of messages) decoder.decode(Buffer.from(message, "hex"));
  return transactions;
}

test("a transaction is given whole, with the end of its commit and its rows by column", () => {
  const [transaction, ...more] = decodeAll([begin, relation, relationOfPartition, first, second, commit]);
  assert.deepEqual(more, []);
  assert.equal(transaction!.endLsn, 0x065e6e40n);
  assert.equal(new Date(transaction!.committedAt).getUTCFullYear(), 2026);
  assert.deepEqual(
    transaction!.rows.map(({ topic, version, payload, traceparent }) => ({
      topic,
      version,
      payload,
      traceparent,
    })),
    [
      { topic: "post.created", version: "1", payload: '{"text": "grün", "userId": "a"}', traceparent: null },
      {
        topic: "post.deleted",
        version: "2",
        payload: "{}",
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      },
    ],
  );
});

test("columns are described once and known for every later transaction", () => {
  assert.equal(decodeAll([begin, relation, first, commit, begin, second, commit]).length, 2);
});

test("a row of a table that was never described is an error, not a guess", () => {
  assert.throws(() => decodeAll([begin, first]), /before its table/);
});

test("amid a transaction the decoder says so", () => {
  const decoder = logDecoder({ transaction() {}, reached() {} });
  decoder.decode(Buffer.from(begin, "hex"));
  assert.equal(decoder.amidTransaction, true);
  decoder.decode(Buffer.from(commit, "hex"));
  assert.equal(decoder.amidTransaction, false);
});

test("positions in the log are written as Postgres writes them", () => {
  for (const text of ["0/0", "0/65E6E40", "16/B374D848", "FFFFFFFF/FFFFFFFF"])
    assert.equal(formatLsn(parseLsn(text)), text);
});
