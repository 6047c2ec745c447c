import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import type { One, Settings, Ungoverned } from "../api/types";
import { Button, Notice, Reading, Select } from "../ui";
import { FormDialog } from "../ui/FormDialog";
import { useApi } from "./session";

/** What becomes of use that nothing limits, in a word. */
export const ungovernedWords: Record<Ungoverned, string> = { allow: "granted", warn: "granted, with a warning", deny: "denied" };

const choices = [
  ["allow", "Grant it"],
  ["warn", "Grant it, with a warning"],
  ["deny", "Deny it"],
] as const;

export const useSettings = () => {
  const api = useApi();
  return useQuery({ queryKey: ["settings"], queryFn: () => api.get<One<Settings>>("/settings").then(r => r.data) });
};

type Choice = Ungoverned | "";

/** A choice of what becomes of it; "" is what the environment says. was: what is saved. */
export function UngovernedSelect({ value, was, onChange }: { value: Choice; was: Choice; onChange: (v: Choice) => void }) {
  const environment = useSettings().data;
  const inherit = environment ? `As everywhere: ${ungovernedWords[environment.ungoverned]}` : "As everywhere";
  return (
    <>
      <Select<Choice>
        wide
        label="Use that nothing limits"
        value={value}
        onChange={onChange}
        options={[["", inherit], ...choices]}
        hint="Where a request names one of these, and no limit, entitlement or pool is on its way"
      />
      {value === "deny" && value !== was && <Denies whose="that name one of these and that no limit covers" />}
    </>
  );
}

const Denies = ({ whose }: { whose: string }) => (
  <div className="wide">
    <Notice kind="warn">
      From when this is saved, requests {whose} are denied, in every customer. A customer's page Coverage shows who that is. A limit without
      an amount, or a default, lets them pass.
    </Notice>
  </div>
);

/** What holds in the whole environment, and a way to change it. */
export function Everywhere() {
  const [editing, setEditing] = useState(false);
  const got = useSettings();
  return (
    <>
      <Reading got={got} lines={1} />
      {got.data && (
        <section aria-label="Use that nothing limits">
          <Notice>
            <span className="row between wrap">
              <span>
                Use that nothing limits is <span className="strong">{ungovernedWords[got.data.ungoverned]}</span>, where its entity type
                says nothing else.
              </span>
              <Button size="small" onClick={() => setEditing(true)}>
                Change
              </Button>
            </span>
          </Notice>
        </section>
      )}
      {editing && got.data && <Form now={got.data} onClose={() => setEditing(false)} />}
    </>
  );
}

function Form({ now, onClose }: { now: Settings; onClose: () => void }) {
  const api = useApi();
  const [value, setValue] = useState<Ungoverned>(now.ungoverned);
  return (
    <FormDialog
      title="Use that nothing limits"
      ready={value !== now.ungoverned}
      save={() => api.patch("/settings", { ungoverned: value })}
      said={`Use that nothing limits is ${ungovernedWords[value]}`}
      onClose={onClose}
    >
      <Select<Ungoverned> wide label="What becomes of it" value={value} onChange={setValue} options={[...choices]} />
      {value === "deny" && value !== now.ungoverned && <Denies whose="that no limit covers, and whose entity types say nothing else," />}
    </FormDialog>
  );
}
