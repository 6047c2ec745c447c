import { ArrowRight } from "lucide-react";
import { Button, Empty, Reading } from "../../ui";
import { useSession } from "../session";
import type { Sums } from "./reads";

export function NameLink({ id, name }: { id: string; name: string }) {
  const s = useSession();
  if (id === "") return <span className="muted">{name}</span>;
  return (
    <button type="button" className="link strong" title={id} onClick={() => s.open(id)}>
      {name}
    </button>
  );
}

type PanelProps = { title: string; note?: string; got: Parameters<typeof Reading>[0]["got"]; children: React.ReactNode };

export function Panel({ title, note, got, children }: PanelProps) {
  return (
    <section className="panel" aria-label={title}>
      <header>
        <h3 className="grow break">{title}</h3>
        {note && <span className="small muted">{note}</span>}
      </header>
      {got.data === undefined ? (
        <div className="body">
          <Reading got={got} />
        </div>
      ) : (
        children
      )}
    </section>
  );
}

export const More = ({ onClick, children }: { onClick: () => void; children: React.ReactNode }) => (
  <div className="panel-foot">
    <Button size="small" look="quiet" onClick={onClick} icon={<ArrowRight size={14} />}>
      {children}
    </Button>
  </div>
);

/** Why there are no groups. */
export const NoGroups = ({ got }: { got: Sums }) => <Empty title={got.data === null ? "Too many to tell apart here" : "No usage"} />;
