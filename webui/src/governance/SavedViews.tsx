import { Bookmark, Trash2 } from "lucide-react";
import { useState } from "react";
import { Button, Dialog, Text, toast } from "../ui";
import { readViews, type SavedView, withView, writeViews } from "./views";

type Props = { customerId: string; query: string; onShow: (query: string) => void };

/** The views that somebody has named in this browser: to be shown, saved and deleted. */
export function SavedViews({ customerId, query, onShow }: Props) {
  const [views, setViews] = useState(() => readViews(customerId));
  const [naming, setNaming] = useState(false);
  const [name, setName] = useState("");
  const here = views.find(v => v.query === query);
  const keep = (next: SavedView[], text: string, undo?: SavedView[]) => {
    if (!writeViews(customerId, next)) {
      toast("This browser does not let the page keep views. Copy the address instead");
      return;
    }
    setViews(next);
    toast(text, undo && { label: "Undo", run: () => keep(undo, `${text}: undone`) });
  };
  const save = () => {
    keep(withView(views, { name: name.trim(), query }), `View “${name.trim()}” saved in this browser`);
    setNaming(false);
  };
  return (
    <>
      {views.length > 0 && (
        <select
          aria-label="Saved views"
          className="input saved"
          value={here?.name ?? ""}
          onChange={e => {
            const v = views.find(x => x.name === e.target.value);
            if (v) onShow(v.query);
          }}
        >
          <option value="">Saved views</option>
          {views.map(v => (
            <option key={v.name} value={v.name}>
              {v.name}
            </option>
          ))}
        </select>
      )}
      {here ? (
        <Button
          size="small"
          look="quiet"
          icon={<Trash2 size={15} />}
          onClick={() => {
            keep(
              views.filter(v => v.name !== here.name),
              `View “${here.name}” deleted`,
              views,
            );
          }}
        >
          Delete view
        </Button>
      ) : (
        <Button
          size="small"
          look="quiet"
          icon={<Bookmark size={15} />}
          onClick={() => {
            setName("");
            setNaming(true);
          }}
        >
          Save view
        </Button>
      )}
      {naming && (
        <Dialog
          title="Save this view"
          onClose={() => setNaming(false)}
          foot={
            <>
              <Button onClick={() => setNaming(false)}>Cancel</Button>
              <Button type="submit" form="save-view" look="primary" disabled={name.trim() === ""}>
                Save
              </Button>
            </>
          }
        >
          <form
            id="save-view"
            data-draft
            onSubmit={e => {
              e.preventDefault();
              if (name.trim() !== "") save();
            }}
          >
            <Text
              label="Name"
              value={name}
              onChange={v => setName(v.slice(0, 60))}
              hint={
                views.some(v => v.name === name.trim())
                  ? "It takes the place of the view of that name"
                  : "It is kept in this browser; its address can be sent to others"
              }
              autoFocus
            />
          </form>
        </Dialog>
      )}
    </>
  );
}
