package engine_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

func (w *world) printf(format string, args ...any) { fmt.Fprintf(&w.out, format, args...) }

func mark(on bool, text string) string {
	if on {
		return text
	}
	return ""
}

// instantText is a date where that says all, else a time.
func instantText(t bursar.Time) string {
	return strings.TrimSuffix(t.Std().Format(time.RFC3339Nano), "T00:00:00Z")
}

// limitName is entity{scope}[label] capability.
func limitName(entity string, scope []string, label string, c bursar.Capability) string {
	return entity + mark(len(scope) > 0, "{"+strings.Join(scope, ",")+"}") + mark(label != "", "["+label+"]") + " " + c.ID
}

func limitText(l *bursar.Amount) string {
	if l == nil {
		return "unlimited"
	}
	return l.String()
}

func (w *world) printNode(n *bursar.Node) {
	w.printf("  %s: %s of %s%s%s%s until %s\n", limitName(n.EntityID, n.ScopeEntityIDs, n.Label, n.Capability), n.CurrentUsage,
		limitText(n.UsageLimit), mark(!n.Reserved.IsZero(), ", "+n.Reserved.String()+" held"),
		mark(n.Enforcement == bursar.Soft, ", soft"), mark(!n.Granted, ", DENIES")+mark(n.Granted && n.Exceeded, ", exceeded"), instantText(n.ResetsAt)+defaultText(n.DefaultOf))
}

func (w *world) printChains(chains [][]bursar.Node) {
	for i, c := range chains {
		if i > 0 {
			w.printf("  --\n")
		}
		for j := range c {
			w.printNode(&c[j])
		}
	}
}

func (w *world) printDecision(d *bursar.Decision) {
	if d.Granted {
		w.printf("granted%s\n", warningsText(d.Warnings))
	} else {
		w.printf("denied %s%s%s%s%s\n", d.Reason, frozenText(d.Frozen), bindingText(d.Binding), mark(d.Because != "", ": "+d.Because), warningsText(d.Warnings))
	}
	w.printChains(d.Chains)
}

func bindingText(b *bursar.Binding) string {
	if b == nil {
		return ""
	}
	if b.Source != bursar.BindingEntity {
		return fmt.Sprintf(" by %s: %s of %s%s, %s more", b.Source, b.Node.CurrentUsage, limitText(b.Node.UsageLimit),
			mark(!b.Node.Reserved.IsZero(), ", "+b.Node.Reserved.String()+" held"), b.Node.Requested)
	}
	return " by " + limitName(b.Node.EntityID, b.Node.ScopeEntityIDs, b.Node.Label, b.Node.Capability)
}

func (w *world) printUsage(r *ledger.UsageItem) {
	w.printf("%s %s recorded, %s in all%s%s%s%s\n", r.In.Value, r.In.Capability().ID, r.CurrentUsage, costText(r.Costs),
		mark(r.In.Timestamp != 0 || r.Duplicate, ", at "+instantText(r.Timestamp)), mark(r.Duplicate, ", duplicate"),
		warningsText(r.Warnings))
}

func warningsText(w []string) string { return mark(len(w) > 0, ", "+strings.Join(w, " ")) }

func costText(costs []bursar.Cost) string {
	s := ""
	for _, c := range costs {
		s += fmt.Sprintf(", for %s %s", c.Amount, c.CurrencyID)
	}
	return s
}

func (w *world) printReservation(r *bursar.Reservation) {
	if r.Event != nil {
		w.printEventHold(r)
	} else {
		w.printf("%s %s", r.Status, r.Amount)
		if r.CommittedAmount != nil {
			w.printf(", recorded %s", r.CommittedAmount)
		}
		w.printf("%s", costText(r.Costs))
	}
	w.printf("%s%s", mark(r.Overshoot().Sign() > 0, ", overshoot "+r.Overshoot().String()), mark(r.LateCommit, ", late"))
	if r.ClosedAt != 0 {
		w.printf(", closed %s", instantText(r.ClosedAt))
	} else {
		w.printf(", expires %s", instantText(r.ExpiresAt))
	}
	w.printf("%s", mark(r.Duplicate, ", duplicate"))
	if r.Decision != nil {
		w.printf("%s", warningsText(r.Decision.Warnings))
	}
	w.printf("\n")
}

func (w *world) printError(err error) {
	var b *bursar.Error
	if !errors.As(err, &b) {
		w.printf("INTERNAL ERROR %v\n", err)
		return
	}
	if b.Denial != nil {
		w.printf("refused %s%s%s\n", b.Code, frozenText(b.Denial.Frozen), bindingText(b.Denial.Binding))
		w.printChains(b.Denial.Chains)
		return
	}
	w.printf("error %s\n", b.Code)
	for _, f := range b.Fields {
		w.printf("  %s %s\n", f.Pointer, f.Code)
	}
}

func (w *world) printEntity(e *bursar.Entity) {
	w.printf("%s %s", e.EntityTypeID, e.ID)
	if e.DisplayName != nil {
		w.printf(" %q", *e.DisplayName)
	}
	if e.ParentID != nil {
		w.printf(" below %s", *e.ParentID)
	}
	keys := make([]string, 0, len(e.Metadata))
	for k, v := range e.Metadata {
		keys = append(keys, k+"="+v)
	}
	slices.Sort(keys)
	w.printf("%s", mark(len(keys) > 0, " "+strings.Join(keys, " ")))
	if e.ArchivedAt != nil {
		w.printf(", archived %s", instantText(*e.ArchivedAt))
	}
	w.printf("\n")
}

func (w *world) printAssignment(a *bursar.Assignment) {
	w.printf("%s: %s each %s in %s, %s, alerts %v", limitName(a.EntityID, a.ScopeEntityIDs, a.Label, a.Capability),
		limitText(a.UsageLimit), a.Cadence, a.Timezone, a.Enforcement, a.AlertThresholds)
	if a.UsageLimit != nil && *a.EffectiveLimit != *a.UsageLimit {
		w.printf(", now %s", a.EffectiveLimit)
	}
	if a.Anchor != nil {
		w.printf(", from %s", instantText(*a.Anchor))
	}
	w.printf("%s\n", mark(a.Allocation != "none", ", "+a.Allocation))
}

func (w *world) printLimit(r *ledger.TreeRow) {
	l := r.Limit
	w.printf("%s: %s of %s%s from %s until %s\n", limitName(r.EntityID, l.ScopeEntityIDs, l.Label, l.Capability), l.CurrentUsage,
		limitText(l.UsageLimit), mark(!l.Reserved.IsZero(), ", "+l.Reserved.String()+" held"), instantText(l.PeriodStart), instantText(l.PeriodEnd)+defaultText(l.DefaultOf))
}

// printRow shows a row of the tree as one line.
func (w *world) printRow(r *ledger.TreeRow) {
	if r.Limit == nil {
		w.printf("%s %s", r.EntityTypeID, r.EntityID)
	} else {
		l := r.Limit
		w.printf("%s: %s of %s", limitName(r.EntityID, l.ScopeEntityIDs, l.Label, l.Capability), l.CurrentUsage, limitText(l.UsageLimit))
		if l.Utilization != nil {
			w.printf(" = %g %s, %s left", *l.Utilization, l.Status, l.Remaining)
		}
		w.printf("%s", mark(!l.Reserved.IsZero(), ", "+l.Reserved.String()+" held"))
	}
	if r.ParentID != nil {
		w.printf(", below %s", *r.ParentID)
	}
	w.printf("%s%s\n", mark(r.ChildCount > 0, fmt.Sprintf(", %d below", r.ChildCount)), mark(r.ArchivedAt != nil, ", archived")+frozenText(r.Frozen)+limitSource(r))
}

func limitSource(r *ledger.TreeRow) string {
	if r.Limit == nil {
		return ""
	}
	return defaultText(r.Limit.DefaultOf)
}
