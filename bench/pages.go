//go:build linux

package main

import "strings"

// largePages reads first pages of the tree of a customer with so many entities, one after
// another, as somebody in front of a screen does.
func (b *bench) largePages(s *server) error {
	const limits = "&featureIds[]=" + feature
	for _, p := range []struct{ name, query string }{
		{"by utilization", "sortBy=utilization" + limits},
		{"by usage", "sortBy=currentUsage" + limits},
		{"by limit", "sortBy=usageLimit" + limits},
		{"by creation", "sortBy=createdAt&order=asc" + limits},
		{"by id", "sortBy=id&order=asc" + limits},
		{"without limits", "sortBy=createdAt"},
		{"over 80 %", "minUtilization=0.8" + limits},
		{"found by a part of the name", "entityIdSearch=00123" + limits},
		{"found by an id that one has", "entityIdSearch=agent-" + strings.Repeat("0", leafWidth) + limits},
	} {
		ask := []request{{Method: "GET", Key: adminKey, Status: 200, Path: customers + large + "/governance?limit=50&" + p.query}}
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
