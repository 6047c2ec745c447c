import { useSession } from "./session";

/** Which feature or currency the whole view is about. */
export function CapabilityPicker() {
  const s = useSession();
  return (
    <select
      aria-label="Capability"
      className="input gov-cap"
      value={s.capability ? `${s.capability.kind}:${s.capability.id}` : ""}
      onChange={e => {
        const next = s.capabilities.find(c => `${c.kind}:${c.id}` === e.target.value);
        if (next) s.setCapability(next);
      }}
    >
      {s.capabilities.length === 0 && <option value="">Nothing to limit yet</option>}
      {(["currency", "feature"] as const).map(kind => {
        const list = s.capabilities.filter(c => c.kind === kind);
        return list.length === 0 ? null : (
          <optgroup key={kind} label={kind === "currency" ? "Credits" : "Features"}>
            {list.map(c => (
              <option key={c.id} value={`${c.kind}:${c.id}`}>
                {c.name}
              </option>
            ))}
          </optgroup>
        );
      })}
    </select>
  );
}
