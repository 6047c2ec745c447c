package ledger

import (
	"cmp"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// People are told of a limit by the notifications of its entity and of all above it: once for each
// threshold and window, and once in a window that it denied. What they were told is recorded in the
// commit that has the message.

// eachHearer calls f with the notifications that may tell of a limit: those of its entity, of all
// above it and of the customer. One that a token with a root made tells of what that token sees.
func (v *View) eachHearer(def *record.Limit, f func(*record.Notification)) {
	if v.noNotifications() {
		return
	}
	for ent := def.Ent; ; ent = v.Ent(ent).Parent {
		for _, n := range v.notificationsOf(ent) {
			if v.Visits++; v.mayTell(n, def) {
				f(n)
			}
		}
		if ent == 0 {
			return
		}
	}
}

// mayTell tells whether a notification of a limit's entity or one above it may tell of the limit.
func (v *View) mayTell(n *record.Notification, def *record.Limit) bool {
	return n.Root == 0 || v.within(def.Ent, n.Root) && !slices.ContainsFunc(def.Scope, func(s uint32) bool { return !v.within(s, n.Root) })
}

func (v *View) toldOf(row uint32) *record.Told {
	if t, ok := v.tlds[row]; ok {
		return t
	}
	return v.told[row]
}

// toldIn is what people were told of a row in the window that began at start.
func (v *View) toldIn(row uint32, start bursar.Time) record.Told {
	if t := v.toldOf(row); t != nil && t.Start == start {
		return *t
	}
	return record.Told{Start: start}
}

// tellUsage tells of thresholds that a row has reached and people were not told of, and re-arms each that
// they were told of once it is not reached any more. Where the commit tells of very much already, it records
// that people are owed that. What they were told is kept as long as it is reached, whoever hears of it then, so that a
// notification that is made anew tells nothing twice.
func (d *Decider) tellUsage(row uint32) {
	if d.Rehearsal || d.noNotifications() {
		return
	}
	def := d.Def(row)
	if def == nil || def.Ent == 0 || d.Ent(def.Ent).Archived != 0 || def.Idle() {
		return
	}
	c, limit := d.Current(row, def), d.LimitNow(row, def)
	told := d.toldIn(row, c.Start)
	reached := func(percent int) bool {
		return def.Limited && c.Used.Sign() > 0 && c.Used.AtLeastPercent(int64(percent), limit)
	}
	if lowest := d.lowestHeard(def.Ent); lowest == 0 || len(told.Levels) == 0 && !told.Owed && !reached(lowest) {
		return
	}
	levels := d.levelsHeard(def)
	if len(levels) == 0 {
		return
	}
	levels = append(levels, told.Levels...)
	slices.Sort(levels)
	now := record.Told{Start: c.Start, Denied: told.Denied}
	var fresh []int
	for _, t := range slices.Compact(levels) {
		switch {
		case !reached(t):
		case slices.Contains(told.Levels, t):
			now.Levels = append(now.Levels, t)
		case d.ToldMany():
			now.Owed = true
		default:
			now.Levels, fresh = append(now.Levels, t), append(fresh, t)
		}
	}
	if slices.Equal(now.Levels, told.Levels) && now.Owed == told.Owed {
		return
	}
	d.Emit(&record.LimitTold{Row: row, Told: now})
	if len(fresh) == 0 {
		return
	}
	of := func(n *record.Notification) []int {
		return slices.DeleteFunc(slices.Clone(fresh), func(t int) bool { return !slices.Contains(n.Thresholds, t) })
	}
	var hearers []*record.Notification
	d.eachHearer(def, func(n *record.Notification) {
		if len(of(n)) > 0 {
			hearers = append(hearers, n)
		}
	})
	d.tellEach(hearers, bursar.EventUsageExceeded, func(n *record.Notification) any { return d.usageData(row, &c, limit, of(n)) })
}

// tellOwed tells of rows of which people are owed something, as far as one commit may, and tells whether some are left.
// What is not reached any more by then is told of no more.
func (d *Decider) tellOwed() (more bool) {
	looked := 0
	look := func(row uint32) bool {
		if !d.toldOf(row).Owed {
			return true
		}
		if looked++; looked > bursar.MaxToldAtOnce || d.ToldMany() {
			more = true
			return false
		}
		d.tellUsage(row)
		if t := *d.toldOf(row); t.Owed { // nobody listens any more, or it was owed in a window that is over
			t.Owed = false
			d.Emit(&record.LimitTold{Row: row, Told: t})
		}
		return true
	}
	batch := record.SortedOrds(d.tlds) // what the batch has changed comes first: it is little
	for _, row := range batch {
		if !look(row) {
			return true
		}
	}
	d.owed.ascend(nil, look)
	return more
}

// noteOwed brings up to date whether people are owed something of a row.
func (s *State) noteOwed(row uint32) {
	if t := s.told[row]; t != nil && t.Owed {
		s.owed.insert(row)
	} else {
		s.owed.remove(row)
	}
}

// ToldMany tells that the commit makes so many messages to people that requests which wait are for the next one.
func (d *Decider) ToldMany() bool { return d.out.ToPeople >= bursar.MaxToldAtOnce }

// tellEach queues messages of one thing to the recipients of a limit's hearers, each address once: by a notification that
// a key made before one that a token without a root did, so that nobody silences or weakens who listens from above; of several
// by that of the nearest entity, then by the oldest. Those made with one root tell it once more, so that what they tell says
// nothing of who else is told.
func (d *Decider) tellEach(hearers []*record.Notification, typ string, data func(*record.Notification) any) {
	slices.SortStableFunc(hearers, func(a, b *record.Notification) int { return cmp.Compare(standing(a), standing(b)) })
	type hears struct {
		root    uint32
		address string
	}
	told := map[hears]bool{}
	for _, n := range hearers {
		to := notified(n)
		endpoints := to.Endpoints()
		all := to.Recipients
		to.Recipients = nil
		for i, endpoint := range endpoints {
			if h := (hears{n.Root, catalogue.AddressOf(endpoint)}); !told[h] {
				told[h] = true
				to.Recipients = append(to.Recipients, all[i])
			}
		}
		if len(to.Recipients) > 0 {
			d.tell(to, typ, data(n))
		}
	}
}

// standing orders notifications by who made them.
func standing(n *record.Notification) int {
	switch {
	case !n.ByToken:
		return 0
	case n.Root == 0:
		return 1
	}
	return 2
}

func (d *Decider) tell(to *catalogue.Notified, typ string, data any) {
	d.out.Tell(to, d.Now, d.Head.Seq, d.CommitID, d.Trace, typ, d.Cust().ID, data)
}

func notified(n *record.Notification) *catalogue.Notified {
	return notifiedOf(store.FormatID(n.ID), n.Name, n.Emails, n.SlackURLs)
}

func notifiedOf(id, name string, emails, slack []string) *catalogue.Notified {
	x := &catalogue.Notified{ID: id, Name: name}
	for _, a := range emails {
		x.Recipients = append(x.Recipients, "mailto:"+a)
	}
	x.Recipients = append(x.Recipients, slack...)
	return x
}

// Recipient is somebody whom a notification tells: its address as the notification has it, and what
// deliveries have as their endpoint.
type Recipient struct{ Address, Endpoint string }

// RecipientsOf are all of a notification.
func RecipientsOf(n *bursar.Notification) []Recipient {
	endpoints := notifiedOf(n.ID, n.Name, n.Emails, n.SlackURLs).Endpoints()
	out := make([]Recipient, len(endpoints))
	for i, address := range slices.Concat(n.Emails, n.SlackURLs) {
		out[i] = Recipient{address, endpoints[i]}
	}
	return out
}

// TellsDenials tells whether somebody is to hear that a limit denies who did not hear so in its window.
func (v *View) TellsDenials(assignmentID string) bool {
	row := v.findRowID(assignmentID)
	if row == 0 {
		return false
	}
	def := v.Def(row)
	return !v.toldIn(v.made(row), v.Current(row, def).Start).Denied && len(v.hearDenials(def)) > 0
}

func (v *View) hearDenials(def *record.Limit) (list []*record.Notification) {
	if def.Ent == 0 {
		return nil
	}
	v.eachHearer(def, func(n *record.Notification) {
		if n.Denials {
			list = append(list, n)
		}
	})
	return list
}

// TellDenial tells of a limit that denied, for the first time in its window.
type TellDenial struct {
	AssignmentID string
	Named        []string // whom the request named
	Requested    bursar.Amount
}

func (o *TellDenial) Decide(d *Decider) (any, error) {
	if d.Cust() == nil || !d.TellsDenials(o.AssignmentID) {
		return nil, nil
	}
	row := d.makeRow(d.findRowID(o.AssignmentID))
	def := d.Def(row)
	c := d.Current(row, def)
	told := d.toldIn(row, c.Start)
	told.Denied = true
	d.Emit(&record.LimitTold{Row: row, Told: told})
	d.tellEach(d.hearDenials(def), bursar.EventDenied, func(n *record.Notification) any {
		data := catalogue.DenialData{UsageData: d.usageData(row, &c, d.LimitNow(row, def), []int{}), DeniedIDs: []string{}, Requested: o.Requested}
		for _, id := range o.Named {
			if ent := d.EntOrd(id); ent != 0 && (n.Root == 0 || d.within(ent, n.Root)) {
				data.DeniedIDs = append(data.DeniedIDs, id)
			}
		}
		return data
	})
	return nil, nil
}

// TestNotification tells the recipients of a notification that nothing has happened.
type TestNotification struct {
	Caller catalogue.Caller
	ID     string
}

func (o *TestNotification) Decide(d *Decider) (any, error) {
	if err := d.writable(); err != nil {
		return nil, err
	}
	n, err := d.notificationByID(o.ID)
	if err != nil {
		return nil, err
	}
	if err := d.useNotifications(1, 0); err != nil {
		return nil, err
	}
	d.auditNotification(&o.Caller, "notification.tested", n, nil, nil)
	d.tell(notified(n), bursar.EventTest, catalogue.TestData{CustomerID: d.Cust().ID, Description: "A test message of Bursar. Nothing has happened."})
	return d.out.Messages[len(d.out.Messages)-1].Deliveries, nil
}

// toldPart is what people were told of a row, in a checkpoint.
type toldPart struct {
	Start  bursar.Time `json:"start"`
	Levels []int       `json:"levels,omitempty"`
	Denied bool        `json:"denied,omitempty"`
	Owed   bool        `json:"owed,omitempty"`
}
