import { Jobs } from "./Jobs";
import { Keys } from "./Keys";
import { Parts } from "./Parts";
import { Webhooks } from "./Webhooks";

const parts = [
  ["keys", "API keys"],
  ["webhooks", "Webhooks"],
  ["jobs", "Jobs"],
] as const;

export function Developers({ part }: { part: string }) {
  return (
    <div className="page stack">
      <h1>Developers</h1>
      <Parts base="/console/developers" at={part} parts={parts} label="For developers" />
      {part === "keys" && <Keys />}
      {part === "webhooks" && <Webhooks />}
      {part === "jobs" && <Jobs />}
    </div>
  );
}
