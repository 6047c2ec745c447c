package ledger

import (
	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
)

// writable is nil when governance writes may happen in the customer.
func (d *Decider) writable() error {
	switch c := d.Cust(); {
	case c == nil:
		return ErrNoCustomer
	case c.ArchivedAt != nil:
		return bursar.Errorf(bursar.CodeCustomerIsArchived, "the customer %q is archived; unarchive it first", c.ID)
	}
	return nil
}

var ErrNoCustomer = bursar.Errorf(bursar.CodeCustomerNotFound, "there is no such customer")

type CreateCustomer struct {
	Caller catalogue.Caller
	ID     string
	In     bursar.CustomerInput
}

func (o *CreateCustomer) Decide(d *Decider) (any, error) {
	if d.Cust() != nil {
		return nil, bursar.ErrorAt("/id", bursar.CodeAlreadyExists, "the customer %q exists already", o.ID)
	}
	c := bursar.Customer{ID: o.ID, Metadata: map[string]string{}, CreatedAt: d.Now.Milli()}
	return d.putCustomer(&o.Caller, c, &o.In, "customer.created")
}

type UpdateCustomer struct {
	Caller catalogue.Caller
	In     bursar.CustomerInput
}

func (o *UpdateCustomer) Decide(d *Decider) (any, error) {
	if d.Cust() == nil {
		return nil, ErrNoCustomer
	}
	if err := o.Caller.StillAt(d.Cust()); err != nil {
		return nil, err
	}
	return d.putCustomer(&o.Caller, *d.Cust(), &o.In, "customer.updated")
}

func (d *Decider) putCustomer(caller *catalogue.Caller, c bursar.Customer, in *bursar.CustomerInput, action string) (any, error) {
	var p bursar.Problems
	text := func(name string, dst **string, src bursar.Opt[string]) {
		if err := bursar.CheckText(src.Value, bursar.MaxNameLen); src.Set && err != nil {
			p.Add("/"+name, bursar.CodeValidationFailed, "%s %v", name, err)
		}
		catalogue.SetOpt(dst, src)
	}
	before := d.Cust()
	text("name", &c.Name, in.Name)
	text("email", &c.Email, in.Email)
	text("language", &c.Language, in.Language)
	text("billingId", &c.BillingID, in.BillingID)
	text("billingCurrency", &c.BillingCurrency, in.BillingCurrency)
	text("timezone", &c.Timezone, in.Timezone)
	if in.Timezone.Set && c.Timezone != nil && !validZone(*c.Timezone) {
		p.Add("/timezone", bursar.CodeValidationFailed, "%.64q is not an IANA time zone, such as Europe/Berlin", *c.Timezone)
	}
	c.Metadata = catalogue.PatchMetadata(c.Metadata, in.Metadata, "/metadata", &p)
	if err := p.Err(); err != nil {
		return nil, err
	}
	c.UpdatedAt = d.Now.Milli()
	d.Emit(&record.Customer{Customer: c})
	if before == nil {
		d.audit(caller, action, "customer", c.ID, "", nil, c)
	} else {
		d.audit(caller, action, "customer", c.ID, "", before, c)
	}
	return c, nil
}

type ArchiveCustomer struct {
	Caller  catalogue.Caller
	Archive bool
}

func (o *ArchiveCustomer) Decide(d *Decider) (any, error) {
	if d.Cust() == nil {
		return nil, ErrNoCustomer
	}
	c := *d.Cust()
	if err := o.Caller.StillAt(&c); err != nil {
		return nil, err
	}
	if (c.ArchivedAt != nil) == o.Archive {
		return c, nil
	}
	now := d.Now.Milli()
	action := "customer.unarchived"
	before := c
	c.ArchivedAt, c.UpdatedAt = nil, now
	if o.Archive {
		c.ArchivedAt = &now
		action = "customer.archived"
	}
	d.Emit(&record.Customer{Customer: c})
	d.audit(&o.Caller, action, "customer", c.ID, "", before, c)
	return c, nil
}
