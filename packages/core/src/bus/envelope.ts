// What travels on the bus: one event as JSON, made without parsing its payload, which is JSON already.

export type BusEvent = {
  /** The outbox row's id: the same however often the event is delivered. */
  id: string;
  topic: string;
  version: number;
  /** The user whom it concerns: events of one key are handled in order. */
  key: string;
  payload: unknown;
  requestId: string;
  traceparent: string | undefined;
  /** When its transaction began, ISO 8601. */
  at: string;
};

/** A row of the outbox as Postgres writes it in text, from the log or from the table. */
export type OutboxText = {
  id: string;
  key: string;
  topic: string;
  version: string;
  payload: string;
  request_id: string;
  traceparent: string | null;
  created_at: string;
};

/** `2026-11-21 02:09:34.5+00` as Postgres writes an instant in ISO style with its session in UTC. */
export const instantOf = (text: string): number => Date.parse(`${text.replace(" ", "T")}:00`);

export function encodeRow(row: OutboxText): string {
  const { id, key, topic, version, payload, request_id, traceparent, created_at } = row;
  const words = JSON.stringify({
    id,
    topic,
    version: Number(version),
    key,
    requestId: request_id,
    ...(traceparent === null ? {} : { traceparent }),
    at: new Date(instantOf(created_at)).toISOString(),
  });
  return `${words.slice(0, -1)},"payload":${payload}}`;
}

export function encodeEvent(event: BusEvent): string {
  return JSON.stringify(event);
}

export function decodeEvent(text: string): BusEvent {
  const event = JSON.parse(text) as BusEvent;
  return { ...event, traceparent: event.traceparent };
}
