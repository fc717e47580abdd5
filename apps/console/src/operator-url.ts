// Where the operator API is. Read at each use: the same build serves every port and every machine.

export const operatorUrl = () =>
  (process.env.SIGNALBOX_OPERATOR_URL ?? "http://127.0.0.1:8081").replace(/\/+$/, "");
