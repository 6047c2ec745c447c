import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { UNSAFE_PortalProvider as PortalProvider } from "react-aria/PortalProvider";
import { ComboBox, Input, Label, ListBox, ListBoxItem, Popover, Text } from "react-aria-components";
import { path } from "../api/client";
import type { Entity, Page } from "../api/types";
import { useSettled } from "../ui";
import { useSession } from "./session";

type Props = { label: string; hint?: string; exclude?: string[]; onPick: (e: Entity) => void };

/** Finds an entity by name or id as one types. */
export function EntityPicker({ label, hint, exclude = [], onPick }: Props) {
  const s = useSession();
  const [text, setText] = useState("");
  const [self, setSelf] = useState<Element | null>(null);
  // Emptied after a choice, it would open again; a new field does not.
  const [picked, setPicked] = useState(0);
  const search = useSettled(text.trim(), 200);
  const found = useQuery({
    queryKey: ["pick", s.customerId, search],
    queryFn: ({ signal }) => s.api.get<Page<Entity>>(path`/customers/${s.customerId}/entities`, { search, limit: 30 }, signal),
  });
  const items = (found.data?.data ?? []).filter(e => !exclude.includes(e.id));
  return (
    // Within the dialog that the field is in: what is outside of a modal one cannot be used.
    <PortalProvider getContainer={() => (self?.closest("dialog") ?? document.body) as HTMLElement}>
      <ComboBox
        key={picked}
        ref={setSelf}
        className="field combo"
        inputValue={text}
        onInputChange={setText}
        items={items}
        allowsEmptyCollection
        selectedKey={null}
        onSelectionChange={key => {
          const e = items.find(x => x.id === key);
          if (!e) return;
          onPick(e);
          setText("");
          setPicked(picked + 1);
        }}
      >
        <Label>{label}</Label>
        <Input className="input" placeholder="Type a name or an id" autoFocus={picked > 0} />
        {hint && (
          <Text slot="description" className="hint">
            {hint}
          </Text>
        )}
        <Popover className="combo-list" offset={4}>
          <ListBox renderEmptyState={() => <div className="gov-pad muted small">{found.isPending ? "Looking" : "Nothing found"}</div>}>
            {(e: Entity) => (
              <ListBoxItem id={e.id} textValue={e.displayName ?? e.id}>
                <span className="grow ellipsis">{e.displayName ?? e.id}</span>
                <span className="muted small ellipsis">{s.types.get(e.entityTypeId)?.displayName ?? e.entityTypeId}</span>
              </ListBoxItem>
            )}
          </ListBox>
        </Popover>
      </ComboBox>
    </PortalProvider>
  );
}
