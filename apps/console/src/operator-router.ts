// The one thing that the console takes from the platform's code besides schemas: the type of its operator procedures.

export type { OperatorRouter } from "@signalbox/modules/control";
