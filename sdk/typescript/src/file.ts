// The one part for Node alone.
import { randomUUID } from "node:crypto";
import { mkdir, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Store } from "./outbox.js";

const ending = ".json";

/** Keeps the ends of calls in a folder, a file for each. Processes may share it: what two of them send counts once. */
export function fileStore(folder: string): Store {
  const made = mkdir(folder, { recursive: true, mode: 0o700 });
  const fileOf = (id: string) => join(folder, encodeURIComponent(id) + ending);
  made.catch(() => {}); // told by what is done next
  return {
    async put(id, text) {
      await made;
      const part = join(folder, randomUUID() + ".part");
      await writeFile(part, text, { mode: 0o600 });
      await rename(part, fileOf(id));
    },
    async delete(id) {
      await rm(fileOf(id), { force: true });
    },
    async list() {
      await made;
      const names = (await readdir(folder)).filter((name) => name.endsWith(ending));
      const kept = await Promise.all(
        names.map(async (name) => {
          const text = await readFile(join(folder, name), "utf8").catch(() => undefined); // another process has just sent it
          return text === undefined ? [] : [{ id: decodeURIComponent(name.slice(0, -ending.length)), text }];
        }),
      );
      return kept.flat();
    },
  };
}
