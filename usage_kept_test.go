package bursar

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// TestKeptIsReadAsBefore: what is kept of every shape says the same as what came, without texts.
func TestKeptIsReadAsBefore(t *testing.T) {
	compared := 0
	for _, s := range usageShapes(t) {
		var members map[string]json.RawMessage
		if err := json.Unmarshal(s.Usage, &members); err != nil {
			t.Fatal(err)
		}
		for name, add := range map[string]string{"smell_tokens": "3", "input_smell_tokens": `{"fresh_tokens": 4, "note": "a secret"}`, "note": `"a secret"`, "odd_tokens": `"a secret"`} {
			members[name] = json.RawMessage(add)
		}
		usage, _ := json.Marshal(members)
		for _, whole := range []string{string(usage), fmt.Sprintf(`{"model": "m-1", "choices": [{"text": "a secret"}], "usage": %s}`, usage)} {
			r, err := ReadUsage([]byte(whole))
			if err != nil {
				t.Fatal(err)
			}
			derived, err := Derive(nil, r)
			if err != nil {
				t.Fatal(err)
			}
			kept := r.Keep(derived)
			if len(r.Unread) == 0 && kept == nil {
				continue // of a whole reply, what was added is not in its usage
			}
			compared++
			if kept == nil || strings.Contains(kept.Usage, "secret") || kept.Cut {
				t.Fatalf("%s: kept is %+v", whole, kept)
			}
			again, err := kept.Again(nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			if !sameDims(again.Derived, derived) || !slices.Equal(again.Names, kept.Names) {
				t.Errorf("%s\nkept %s\nreads %v %q\nwas   %v %q", whole, kept.Usage, again.Derived, again.Names, derived, kept.Names)
			}
		}
	}
	if compared < 60 {
		t.Errorf("only %d usage objects were compared", compared)
	}
}

func sameDims(a, b []Dimension) bool {
	byKey := func(a, b Dimension) int { return strings.Compare(a.Key, b.Key) }
	return reflect.DeepEqual(slices.SortedFunc(slices.Values(a), byKey), slices.SortedFunc(slices.Values(b), byKey))
}

// TestUsageRules: rules say what members count, one each, beside all else; a total may include them.
func TestUsageRules(t *testing.T) {
	rules := []UsageRule{{"smellTokens", TokensOutput}, {"odd.in_units", TokensInput}, {"spoken_seconds", UsageSeconds}, {"noise_tokens", IgnoredUsage}}
	for _, c := range []struct{ usage, want string }{
		{`{"input_tokens":5,"output_tokens":1,"smell_tokens":3}`, "input 5, output 4"},
		{`{"input_tokens":5,"output_tokens":1,"smell_tokens":3,"total_tokens":9}`, "input 5, output 4"},
		{`{"input_tokens":5,"output_tokens":1,"smell_tokens":3,"total_tokens":6}`, "input 5, output 4"},
		{`{"usage":{"odd":{"in_units":7},"total_tokens":7}}`, "input 7"},
		{`{"total_tokens":100,"smell_tokens":3}`, "input 97, output 3"},
		{`{"total_tokens":2,"smell_tokens":3}`, "input 2, output 3"},
		{`{"total_tokens":5,"noise_tokens":3}`, "input 5"},
		{`{"billing":{"odd":{"in_units":7}}}`, "UNREAD_USAGE UNREAD_USAGE:billing.odd.in_units"},
		{`{"seconds":1.5,"spoken_seconds":2,"noise_tokens":9}`, "seconds 3.5"},
		{`{"input_tokens":1,"smell_tokens":"many"}`, "input 1 UNREAD_USAGE:smell_tokens"},
		{`{"input_tokens":9,"output_tokens":9,"iterations":[{"input_tokens":5,"output_tokens":1,"smell_tokens":3},{"input_tokens":5,"output_tokens":9}]}`, "input 10, output 13"},
	} {
		r, err := ReadUsage([]byte(c.usage), rules...)
		if err != nil {
			t.Fatal(err)
		}
		var says []string
		for _, d := range r.Dimensions {
			if d.Value != "0" {
				says = append(says, d.Key[strings.IndexByte(d.Key, '.')+1:]+" "+d.Value)
			}
		}
		if got := strings.TrimSpace(strings.Join(says, ", ") + " " + strings.Join(r.Warnings(), " ")); got != c.want {
			t.Errorf("%s: %s, not %s", c.usage, got, c.want)
		}
	}
	var p Problems
	CheckUsageRules("/rules", []UsageRule{{"smell", "tokens.smell"}, {"promptTokens", TokensInput}, {"a", IgnoredUsage}, {"A", IgnoredUsage}, {"", IgnoredUsage}, {"input_tokens_details.document_tokens", TokensInput}, {"textTokens", IgnoredUsage}}, &p)
	if e, _ := p.Err().(*Error); e == nil || len(e.Fields) != 6 {
		t.Errorf("wrong rules: %v", p.Err())
	}
}

// TestNamesOfUnreadAreThoseOfRules: what is unread is named so that a rule of that name reads it, in a list by
// modality or time, too; a modality that may be a text is not told.
func TestNamesOfUnreadAreThoseOfRules(t *testing.T) {
	for usage, want := range map[string]string{
		`{"input_tokens":5,"details":[{"modality":"Smell","tokens":4},{"modality":"TASTE","tokens":3}]}`: `["details.smell_tokens" "details.taste_tokens"]`,
		`{"input_tokens":5,"cacheDetails":[{"ttl":"1d","inputTokens":4}]}`:                               `["cacheDetails.ephemeral_1d_input_tokens"]`,
		`{"input_tokens":5,"odd":{"inTokens":4}}`:                                                        `["odd.inTokens"]`,
	} {
		r, err := ReadUsage([]byte(usage))
		if err != nil || fmt.Sprintf("%q", r.Unread) != want {
			t.Fatalf("%s: unread are %q, not %s, %v", usage, r.Unread, want, err)
		}
		var rules []UsageRule
		for _, name := range r.Unread {
			rules = append(rules, UsageRule{name, TokensOutput})
		}
		if again, _ := r.Keep(nil).Again(nil, rules); len(again.Names) > 0 {
			t.Errorf("%s: by rules %v, %q are unread", usage, rules, again.Names)
		}
	}
	r, _ := ReadUsage([]byte(`{"input_tokens":5,"details":[{"modality":"a secret","tokens":4}]}`))
	if again, err := r.Keep(nil).Again(nil, nil); fmt.Sprintf("%q", r.Unread) != `["details.tokens"]` || err != nil || !slices.Equal(again.Names, r.Unread) {
		t.Errorf("a modality of several words: %q, read again %+v", r.Unread, again)
	}
}

// TestCountsThatAreTextsAreTold: a count in quotes is not read, yet told, with a rule and without, and stays unread.
func TestCountsThatAreTextsAreTold(t *testing.T) {
	for usage, want := range map[string]string{
		`{"input_tokens":5,"smoke_tokens":"1200"}`:                      `["smoke_tokens"]`,
		`{"input_tokens":5,"smoke":{"seconds_seconds":"1.5"}}`:          `["smoke.seconds_seconds"]`,
		`{"input_tokens":5,"smoke_tokens":"0","smell_tokens":"a lot"}`:  `[]`,
		`{"input_tokens":5,"search_id":"1200","user":"7","token":"91"}`: `[]`,
	} {
		for _, rules := range [][]UsageRule{nil, {{"smoke_tokens", TokensOutput}}} {
			r, err := ReadUsage([]byte(usage), rules...)
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprintf("%q", r.Unread); got != want && (rules == nil || !strings.Contains(usage, `"0"`)) {
				t.Errorf("%s with %v: %s are unread, not %s", usage, rules, got, want)
			}
			if kept := r.Keep(nil); kept != nil {
				if again, err := kept.Again(nil, rules); err != nil || !slices.Equal(again.Names, r.Unread) {
					t.Errorf("%s: kept %s, read again %+v", usage, kept.Usage, again)
				}
			}
		}
	}
}

// TestKeptIsBounded: of a large object what was not understood is kept, and added to what was.
func TestKeptIsBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"input_tokens":5,"output_tokens":1,"odd":{"smell_tokens":3}`)
	for i := range 900 {
		fmt.Fprintf(&b, `,"member_%d":%d`, i, i)
	}
	r, err := ReadUsage([]byte(b.String() + "}"))
	if err != nil {
		t.Fatal(err)
	}
	derived, _ := Derive(nil, r)
	kept := r.Keep(derived)
	if !kept.Cut || kept.Usage != `{"odd":{"smell_tokens":3}}` || !slices.Contains(r.Warnings(), WarnUsageCut) {
		t.Fatalf("kept is %+v, warnings %q", kept, r.Warnings())
	}
	again, err := kept.Again(nil, nil)
	if err != nil || !sameDims(again.Derived, derived) || !slices.Equal(again.Names, kept.Names) {
		t.Errorf("%+v is read as %+v, %v", kept, again, err)
	}
	again, err = kept.Again(nil, []UsageRule{{"odd.smell_tokens", TokensOutput}})
	if err != nil || len(again.Names) > 0 || !slices.Contains(again.Derived, Dimension{TokensOutput, "4", DimNumber}) || !slices.Contains(again.Derived, Dimension{TokensInput, "5", DimNumber}) {
		t.Errorf("by a rule %+v, %v", again, err)
	}
}

// TestKeptHasNothingWritten: neither what people and models wrote nor what stands for it is kept, named or listed.
func TestKeptHasNothingWritten(t *testing.T) {
	for _, usage := range []string{
		`{"id":"secret","choices":[{"message":{"content":"secret","tool_calls":[{"arguments":{"model":"secret text","card":4111111111111111,"speed":"secret"}}]}}],"prompt_token_ids":[4111,4112]}`,
		`{"content":[{"type":"tool_use","input":{"secret_tokens":4111,"model":"secret","speed":"secret"}}],"in_units":5}`,
		`{"candidates":[{"content":{"parts":[{"functionCall":{"args":{"secret_tokens":4111}}}]},"logprobsResult":{"chosenCandidates":[{"tokenId":4111}]}}],"modelVersion":"m"}`,
		`{"message":{"content":"secret","tool_calls":[{"function":{"arguments":{"secret_units":4111}}}],"toolCalls":[{"function":{"secret_units":4111}}]},"units":5}`,
		`{"prompt_logprobs":[{"4111":{"logprob":-0.5,"rank":1}}],"units":5}`,
		`{"output":[{"type":"message","content":[{"text":"secret","annotations":[{"secret_tokens":4111}]}]}],"units":5}`,
		`{"embedding":[4111.5,4112.5],"data":[{"embedding":[4111.5],"index":0}],"embeddings":{"float":[[4111.5]]},"units":5}`,
		`{"usage":{"input_tokens":1,"odd_tokens":3,"metadata":{"model":"secret","speed":"secret"},"notes":["secret",4111]}}`,
		`{"usage":{"input_tokens":1,"odd_tokens":3,"inference":{"service_tier":"secret"}}}`,
		`{"messages":[{"role":"user","content":"secret","weight_tokens":4111}],"units":5}`,
		`{"segments":[{"text":"secret","tokens":[4111],"id_tokens":4111}],"words":[{"word":"secret","start_units":4111}],"units":5}`,
	} {
		r, err := ReadUsage([]byte(usage))
		if err != nil {
			t.Fatal(err)
		}
		kept := r.Keep(nil)
		if kept == nil || kept.Usage == "" {
			t.Fatalf("%s: kept is %+v", usage, kept)
		}
		for _, text := range []string{"secret", "411"} {
			if strings.Contains(kept.Usage, text) || strings.Contains(fmt.Sprint(kept.Names, r.Warnings()), text) {
				t.Errorf("%s\nkept %s\nwarnings %q", usage, kept.Usage, r.Warnings())
			}
		}
	}
}

// TestKeptIsReadAsSent: by rules that come later what is kept says what the whole reply says by them.
func TestKeptIsReadAsSent(t *testing.T) {
	rules := []UsageRule{{"in_units", TokensInput}, {"billing.odd.out_units", TokensOutput}, {"deep_search_units", UsageWebSearch}, {"parts.in_units", TokensInput}}
	for _, usage := range []string{
		`{"model":"m","service_tier":"flex","usage":{"in_units":5,"speed":"fast"},"choices":[{"message":{"content":"hi"}}]}`,
		`{"response":{"model":"m","usage":{"inUnits":5,"inferenceGeo":"us"}},"response_metadata":{"model_name":"n"}}`,
		`{"billing":{"odd":{"out_units":5}},"service_tier":{"type":"priority"}}`,
		`{"usage":{"parts":[{"in_units":5},{"in_units":6}]}}`,
		`{"output":[{"type":"web_search_call"},{"type":"message"},{"type":"web_search_call"}],"usage":{"input_tokens":1,"output_tokens":2,"deep_search_units":1}}`,
		`{"output":[{"type":"web_search_call"}],"usage":{"input_tokens":1,"output_tokens":2,"server_tool_use":{"web_search_requests":1},"deep_search_units":4}}`,
		`{"output":[{"type":"web_search_call"},{"type":"web_search_call"}],"usage":{"deep_search_units":1}}`,
		`{"output":[{"type":"web_search_call"}],"usage":{"input_tokens":1,"odd_tokens":1}}`,
		`{"total_tokens":100,"in_units":3}`,
	} {
		was, err := ReadUsage([]byte(usage))
		if err != nil {
			t.Fatal(err)
		}
		derived, _ := Derive(nil, was)
		kept := was.Keep(derived)
		now, err := ReadUsage([]byte(usage), rules...)
		if err != nil {
			t.Fatal(err)
		}
		want, _ := Derive(nil, now)
		got, err := kept.Again(nil, rules)
		if err != nil || !sameDims(got.Derived, want) || !slices.Equal(got.Names, now.Unread) {
			t.Errorf("%s\nkept %s\nreads %v %q\nsent  %v %q", usage, kept.Usage, got.Derived, got.Names, want, now.Unread)
		}
		if usage[2] == 'o' && len(now.Unread) == 0 && !slices.ContainsFunc(want, func(d Dimension) bool { return d.Key == UsageWebSearch && d.Value >= "3" }) {
			t.Errorf("%s: a rule and items of the output make %v", usage, want)
		}
	}
}

// TestKeptOfManyNames: of what found no room nothing is taken for read, and the rest is kept.
func TestKeptOfManyNames(t *testing.T) {
	long := strings.Repeat("9", MaxKeptUsage)
	usage := fmt.Sprintf(`{"input_tokens":5,"output_tokens":1,"a_tokens":3,"b_tokens":%s,"c_tokens":4,"d_list":[{"modality":"text","e_tokens":1},{"modality":"audio","e_tokens":2}],"f":[%s0]}`, long, strings.Repeat(`{"x":1},`, 2000))
	r, err := ReadUsage([]byte(usage))
	if err != nil {
		t.Fatal(err)
	}
	derived, _ := Derive(nil, r)
	kept := r.Keep(derived)
	if !kept.Cut || strings.Contains(kept.Usage, "99") || !strings.Contains(kept.Usage, `"a_tokens":3`) || !strings.Contains(kept.Usage, `"c_tokens":4`) {
		t.Fatalf("kept is %.300s", kept.Usage)
	}
	again, err := kept.Again(nil, []UsageRule{{"a_tokens", TokensOutput}, {"c_tokens", TokensOutput}, {"b_tokens", TokensOutput}})
	if err != nil || !slices.Contains(again.Derived, Dimension{TokensOutput, "8", DimNumber}) {
		t.Fatalf("%+v, %v", again, err)
	}
	for _, name := range kept.Names {
		if name != "a_tokens" && name != "c_tokens" && !slices.Contains(again.Names, name) {
			t.Errorf("%s is taken for read: %q", name, again.Names)
		}
	}
}

// TestUnreadHugeCounts: a count that no amount can be is told as unread, with a rule for it or without one.
func TestUnreadHugeCounts(t *testing.T) {
	for _, rules := range [][]UsageRule{nil, {{Member: "smell_tokens", Kind: TokensOutput}}} {
		for _, n := range []string{"9000000000000000", "-9000000000000000", "1e300"} {
			r, err := ReadUsage([]byte(`{"input_tokens":1,"smell_tokens":`+n+`,"id":`+n+`}`), rules...)
			if err != nil || !slices.Equal(r.Unread, []string{"smell_tokens"}) {
				t.Errorf("%s with %d rules: %q is unread, %v", n, len(rules), r.Unread, err)
			}
		}
	}
}
