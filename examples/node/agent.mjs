// An agent that reads a pile of documents with a model, and winds down in time: when its budget
// nears the end it stops beginning new ones and sums up, so that it ends with an answer and not
// with an error.
//
//   BURSAR_URL=… BURSAR_API_KEY=… OPENAI_BASE_URL=… OPENAI_API_KEY=… node agent.mjs
import { BudgetDenied, Bursar } from "@bursar/sdk";
import { governed } from "@bursar/sdk/openai";
import OpenAI from "openai";

const bursar = new Bursar({ url: process.env.BURSAR_URL ?? "http://127.0.0.1:8080", key: process.env.BURSAR_API_KEY });
let advice = "ok";
const call = { customer: "acme", dimensions: { agentId: "reader" }, onHold: (hold) => (advice = hold.advice) };
const openai = governed(new OpenAI(), bursar, call);

async function ask(content) {
  const reply = await openai.chat.completions.create({ model: "gpt-5", max_completion_tokens: 100, messages: [{ role: "user", content }] });
  return reply.choices[0].message.content;
}

const documents = Array.from({ length: 50 }, (_, i) => `document ${i + 1}`);
const notes = [];
try {
  for (const document of documents) {
    if (advice !== "ok") break;
    notes.push(await ask(`Note what matters in ${document}.`));
  }
  console.log(await ask(`Sum up: ${notes.join(" ")}`));
} catch (e) {
  if (!(e instanceof BudgetDenied)) throw e;
  console.log(`stopped by the budget of ${e.binding?.entityId}, which has ${e.remaining} left until ${e.resetsAt?.toISOString()}`);
}
console.log(`read ${notes.length} of ${documents.length} documents; the advice was ${advice}`);
await bursar.flush();
