import { Dialog } from ".";

const keys: [string, [string, string][]][] = [
  [
    "Anywhere",
    [
      ["Ctrl K or ⌘ K", "Find somebody, go to a page, or do something"],
      ["/", "To the search field"],
      ["?", "This list"],
      ["Esc", "Close what is on top"],
    ],
  ],
  [
    "In the table of budgets",
    [
      ["↑ ↓", "To the row above or below"],
      ["→ ←", "Open or close a row; ← of a closed one goes to what it is in"],
      ["Enter", "Open everything about it"],
      ["Space", "Select it"],
      ["Ctrl A or ⌘ A", "Select all rows that are loaded"],
      ["*", "Open all rows beside it"],
      ["Home, End", "To the first or last row"],
    ],
  ],
];

export default function Keys({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keyboard" onClose={onClose}>
      <div className="stack" tabIndex={0}>
        {keys.map(([where, list]) => (
          <section key={where} className="stack tight">
            <h3>{where}</h3>
            <dl className="keys">
              {list.map(([key, what]) => (
                <div key={key}>
                  <dt>
                    <kbd>{key}</kbd>
                  </dt>
                  <dd>{what}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </Dialog>
  );
}
