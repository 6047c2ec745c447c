package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/bursarhq/bursar/client"
)

const (
	demoCustomer = "acme"
	demoUsers    = 200
	demoAgents   = 400
)

// demoTypes are the levels of the demo's organisation, and models. A request names its
// agent and its model; everything above an agent follows from the tree.
var demoTypes = []client.EntityTypeInput{
	{ID: "org", DisplayName: "Organisation", AttributionKeys: []string{"orgId"}},
	{ID: "department", DisplayName: "Department", AttributionKeys: []string{"departmentId"}},
	{ID: "team", DisplayName: "Team", AttributionKeys: []string{"teamId"}},
	{ID: "user", DisplayName: "User", AttributionKeys: []string{"userId"}},
	{ID: "agent", DisplayName: "Agent", AttributionKeys: []string{"agentId"}},
	{ID: "model", DisplayName: "Model", AttributionKeys: []string{"model"}},
}

// demoDepartments are the departments with their teams and what their agents do.
var demoDepartments = []struct{ name, teams, agents string }{
	{"Engineering", "Platform, Backend, Frontend, Mobile, Security", "Code reviewer, Test writer, Refactorer, On-call helper, Dependency updater, Migration bot"},
	{"Data and AI", "ML Research, Analytics, Data Platform", "Notebook assistant, Query writer, Pipeline doctor, Label checker, Eval runner, Schema scout"},
	{"Product", "Search, Checkout, Growth", "Spec drafter, Feedback sorter, Experiment reader, Prototype coder, Release noter, Backlog groomer"},
	{"Customer Support", "First Line, Escalations, Knowledge Base", "Ticket triage, Reply drafter, Log reader, Article writer, Refund checker, Call summarizer"},
	{"Sales and Marketing", "Enterprise Sales, Content, Partners", "Lead researcher, Mail drafter, Deck builder, Campaign analyst, CRM cleaner, Proposal writer"},
	{"Operations", "Finance, Legal, People", "Invoice reader, Contract reviewer, Policy answerer, Report builder, CV screener, Ledger matcher"},
}

const (
	demoFirstNames = "Ada Aiko Amara Ana Anders Aylin Ben Bianca Carlos Chen Chloe Daniel Dina Elena Emeka Eva Farid Fatima Finn Grace Hana Hugo Ines Ivan Jamal Jonas Julia Kofi Lara Leo Lin Lucas Maya Mehmet Mira Nadia Noah Olga Omar Paulo Priya Quinn Rafael Rosa Sam Sara Tariq Tomas Uma Vera Wei Yara Yusuf Zoe"
	demoLastNames  = "Abebe Adler Almeida Bauer Becker Bianchi Castro Cohen Costa Diallo Dubois Eriksen Evans Fischer Garcia Gupta Haddad Hansen Ito Ivanova Jansen Kaya Khan Kim Kowalski Larsen Lopez Mensah Meyer Moreau Nakamura Nguyen Novak Okafor Olsen Park Patel Petrov Reyes Rossi Sato Schmidt Silva Singh Suzuki Tanaka Torres Varga Weber Yilmaz"
)

// demoNode is one entity of the demo.
type demoNode struct {
	id, name, typeID string
	parent           *demoNode
}

// path names what is above the node, below the organisation, and the node.
func (n *demoNode) path() string {
	if n.parent == nil || n.parent.parent == nil {
		return n.name
	}
	return n.parent.path() + " / " + strings.TrimSuffix(n.name, " of "+n.parent.name)
}

// above is the ancestor of that type, or the node itself.
func (n *demoNode) above(typeID string) *demoNode {
	for n.typeID != typeID {
		n = n.parent
	}
	return n
}

// demoOrg is the organisation. Every list is in the order of creation.
type demoOrg struct {
	org                                       *demoNode
	departments, teams, users, agents, models []*demoNode
	byID                                      map[string]*demoNode
}

// newDemoOrg draws an organisation; the same numbers from r give the same one.
func newDemoOrg(r *rand.Rand) *demoOrg {
	o := &demoOrg{byID: map[string]*demoNode{}}
	o.org = o.add(nil, "org", "acme", "Acme Corp")
	for _, d := range demoDepartments {
		dept := o.add(o.org, "department", slug(d.name), d.name)
		o.departments = append(o.departments, dept)
		for name := range strings.SplitSeq(d.teams, ", ") {
			o.teams = append(o.teams, o.add(dept, "team", "team-"+slug(name), name))
		}
	}
	for _, m := range demoModels {
		o.models = append(o.models, o.add(nil, "model", m.name, m.name))
	}
	first, last := strings.Fields(demoFirstNames), strings.Fields(demoLastNames)
	for len(o.users) < demoUsers {
		name := first[r.IntN(len(first))] + " " + last[r.IntN(len(last))]
		id := strings.ReplaceAll(strings.ToLower(name), " ", ".")
		if o.byID[id] != nil {
			continue
		}
		team := o.teams[len(o.users)%len(o.teams)]
		if len(o.users) >= demoUsers/2 { // half the people are spread evenly, half are not
			team = o.teams[r.IntN(len(o.teams))]
		}
		o.users = append(o.users, o.add(team, "user", id, name))
	}
	for len(o.agents) < demoAgents {
		user := o.users[len(o.agents)%len(o.users)]
		if len(o.agents) >= len(o.users) { // everybody has one, some have several
			user = o.users[r.IntN(len(o.users))]
		}
		o.addAgent(r, user)
	}
	return o
}

// addAgent gives user an agent, unless the one drawn is there already.
func (o *demoOrg) addAgent(r *rand.Rand, user *demoNode) {
	var kinds []string
	for i, dept := range o.departments {
		if dept == user.above("department") {
			kinds = strings.Split(demoDepartments[i].agents, ", ")
		}
	}
	kind := kinds[r.IntN(len(kinds))]
	id := user.id + "." + slug(kind)
	if o.byID[id] == nil {
		o.agents = append(o.agents, o.add(user, "agent", id, kind+" of "+user.name))
	}
}

func (o *demoOrg) add(parent *demoNode, typeID, id, name string) *demoNode {
	n := &demoNode{id: id, name: name, typeID: typeID, parent: parent}
	o.byID[id] = n
	return n
}

func slug(name string) string { return strings.ReplaceAll(strings.ToLower(name), " ", "-") }

// inputs are all entities, parents first.
func (o *demoOrg) inputs() []client.EntityInput {
	inputs := []client.EntityInput{{ID: o.org.id, EntityTypeID: o.org.typeID, DisplayName: o.org.name}}
	for _, level := range [][]*demoNode{o.models, o.departments, o.teams, o.users, o.agents} {
		for _, n := range level {
			in := client.EntityInput{ID: n.id, EntityTypeID: n.typeID, DisplayName: n.name}
			if n.parent != nil {
				in.ParentID = client.Some(n.parent.id)
			}
			inputs = append(inputs, in)
		}
	}
	return inputs
}

// demoBatch is how many things one bulk request may carry.
const demoBatch = 100

// build creates the organisation, what it pays with and its limits on the server and returns the limits by
// their ids.
func (o *demoOrg) build(ctx context.Context, c *client.Client, limits []client.AssignmentInput) (map[string]client.Assignment, error) {
	if _, err := c.PutEntityTypes(ctx, demoTypes...); err != nil {
		return nil, fmt.Errorf("creating the entity types: %w", err)
	}
	if err := furnishMoney(ctx, c); err != nil {
		return nil, err
	}
	if _, err := c.CreateCustomer(ctx, client.CustomerInput{ID: demoCustomer, Name: "Acme Corp"}); err != nil {
		return nil, fmt.Errorf("creating the customer: %w", err)
	}
	for inputs := o.inputs(); len(inputs) > 0; {
		n := min(demoBatch, len(inputs))
		if _, err := c.PutEntities(ctx, demoCustomer, inputs[:n]...); err != nil {
			return nil, fmt.Errorf("creating the entities: %w", err)
		}
		inputs = inputs[n:]
	}
	made := make(map[string]client.Assignment, len(limits))
	for len(limits) > 0 {
		n := min(demoBatch, len(limits))
		got, err := c.PutAssignments(ctx, demoCustomer, limits[:n]...)
		if err != nil {
			return nil, fmt.Errorf("creating the limits: %w", err)
		}
		for _, a := range got {
			made[a.ID] = a
		}
		limits = limits[n:]
	}
	return made, nil
}
