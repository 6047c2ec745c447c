import { path } from "../api/client";
import type { Delivery, Notification, NotificationDelivery, One } from "../api/types";
import type { Session } from "./session";

export type NotificationInput = Omit<Notification, "id" | "createdAt" | "updatedAt"> & { id?: string };

const all = (s: Session) => path`/customers/${s.customerId}/notifications`;

export const targetOf = (s: Session, n: Notification) => path`/customers/${s.customerId}/notifications/${n.id}`;

export const readNotifications = (s: Session) => s.api.all<Notification>(all(s));

export const putNotification = (s: Session, input: NotificationInput) =>
  s.api.put<One<Notification[]>>(all(s), { notifications: [input] }).then(got => got.data[0]);

export const deleteNotification = (s: Session, n: Notification) => s.api.delete(targetOf(s, n));

/** What a form says of recipients: addresses of mail, and URLs. */
export function recipientsOf(text: string): { emails: string[]; slackUrls: string[] } {
  const list = [...new Set(text.split(/[\s,;]+/).filter(Boolean))];
  return { emails: list.filter(r => !r.includes("://")), slackUrls: list.filter(r => r.includes("://")) };
}

/** The percentages that a text has; null where one of them is none. */
export function percentsOf(text: string): number[] | null {
  const list = text
    .split(/[\s,;%]+/)
    .filter(Boolean)
    .map(Number);
  return list.length > 10 || list.some(p => !Number.isInteger(p) || p < 1 || p > 1000) ? null : list;
}

/** What a notification tells of, in words. */
export function toldOf(n: Pick<Notification, "thresholds" | "denials" | "boostRequests">): string {
  const told = [
    ...(n.thresholds.length > 0 ? [`limits at ${n.thresholds.map(t => `${t}%`).join(", ")}`] : []),
    ...(n.denials ? ["the first request stopped in a period"] : []),
    ...(n.boostRequests ? ["requests for more"] : []),
  ];
  return told.join(" · ");
}

/** What was sent, in words. */
export const eventWords: Record<string, string> = {
  "entity.entitlement.usage_exceeded": "Threshold reached",
  "entity.entitlement.denied": "Request stopped",
  "boost_request.created": "Request for more",
  "boost_request.approved": "Request approved",
  "boost_request.declined": "Request declined",
  "webhook.test": "Test",
};

export const stateWords: Record<Delivery["status"], string> = { SUCCEEDED: "sent", FAILED: "failed", PENDING: "waiting" };

/** What went wrong with a delivery; "" where nothing did. */
export const troubleOf = (d: NotificationDelivery) => (d.status === "SUCCEEDED" ? "" : (d.error ?? ""));
