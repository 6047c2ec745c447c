import { Currencies } from "./Currencies";
import { EntityTypes } from "./EntityTypes";
import { Features } from "./Features";
import { Parts } from "./Parts";
import { RateCards } from "./RateCards";

const parts = [
  ["types", "Entity types"],
  ["features", "Features"],
  ["currencies", "Currencies"],
  ["rates", "Rate cards"],
] as const;

/** What the vendor defines once, for all customers. */
export function Catalogue({ part }: { part: string }) {
  return (
    <div className="page stack">
      <h1>Catalogue</h1>
      <Parts base="/console/catalogue" at={part} parts={parts} label="Parts of the catalogue" />
      {part === "types" && <EntityTypes />}
      {part === "features" && <Features />}
      {part === "currencies" && <Currencies />}
      {part === "rates" && <RateCards />}
    </div>
  );
}
