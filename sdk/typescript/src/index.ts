export { Bursar, type Options } from "./client.js";
export { BudgetDenied, BursarError, type Place } from "./errors.js";
export type { Advice, Call, CommitOptions, Dimensions, Hold } from "./hold.js";
export type { RequestOptions } from "./http.js";
export type { End, Store } from "./outbox.js";
export type * from "./types.js";
