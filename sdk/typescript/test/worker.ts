// A process that is killed: it makes calls, and prints a line when the first has been told while
// the ends of the others cannot be.
import { Bursar } from "@bursar/sdk";
import { fileStore } from "@bursar/sdk/file";

const [url = "", key = "", folder = "", customer = ""] = process.argv.slice(2);
let away = false;
const bursar = new Bursar({ url, key, retries: 0, store: fileStore(folder), fetch: (input, init) => (away ? Promise.reject(new TypeError("fetch failed")) : fetch(input, init)), onWarning: () => {} });
const call = { customer, dimensions: { agentId: "rich" }, model: "gpt-5", input: "Hello", maxTokens: 100 };
const usage = { input_tokens: 20, output_tokens: 9 };
await bursar.govern(call, () => ({ usage }));
const holds = [await bursar.hold(call), await bursar.hold(call), await bursar.hold(call)];
away = true;
await holds[0]?.commit({ usage });
await holds[1]?.estimate("nobody knows");
await holds[2]?.release();
console.log("waiting");
setInterval(() => {}, 1000);
