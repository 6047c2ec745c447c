//go:build linux

package main

import "strings"

// plainPage asks for entities, without their limits.
const plainPage = "sortBy=createdAt"

// largePages reads first pages of the tree of a customer with so many entities, one after
// another, as somebody in front of a screen does.
func (b *bench) largePages(s *server) error {
	for _, p := range []struct{ name, query string }{
		{"by utilization", "sortBy=utilization"},
		{"by usage", "sortBy=currentUsage"},
		{"by limit", "sortBy=usageLimit"},
		{"by creation", "sortBy=createdAt&order=asc"},
		{"by id", "sortBy=id&order=asc"},
		{"without limits", plainPage},
		{"over 80 %", "minUtilization=0.8"},
		{"found by a part of the name", "entityIdSearch=00123"},
		{"found by an id that one has", "entityIdSearch=agent-" + strings.Repeat("0", leafWidth)},
	} {
		path := customers + large + "/governance?limit=50&" + p.query
		if p.query != plainPage {
			path += "&featureIds[]=" + feature
		}
		ask := []request{{Method: "GET", Key: adminKey, Status: 200, Path: path}}
		for range b.rounds {
			r, err := b.measure(&cell{name: "tree, " + p.name, server: s, requests: ask, conns: 1})
			if err != nil {
				return err
			}
			b.report.add("tree of the large customer, 50 "+p.name+", p50", "ms", below(5), r.P50/1e3)
		}
	}
	return nil
}
