package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
)

// jobsCommand lists the work that outlasts requests, and ends it.
type jobsCommand struct {
	remote `embed:""`
	Open   bool   `help:"Only jobs that wait or run." env:"-"`
	Cancel string `help:"End this job; what it did stays done." env:"-" placeholder:"ID"`
	Follow string `help:"Wait for this job to end." env:"-" placeholder:"ID"`
}

func (c *jobsCommand) Run(p *process) error {
	api, err := c.client()
	if err != nil {
		return err
	}
	switch {
	case c.Cancel != "":
		j, err := api.CancelJob(p.ctx, c.Cancel)
		if err != nil {
			return refusal("cancelling "+c.Cancel, err)
		}
		return c.print(p, []client.Job{j})
	case c.Follow != "":
		j, err := api.FollowJob(p.ctx, c.Follow, func(j client.Job) {
			if j.FinishedAt == nil {
				fmt.Fprintf(p.stderr, "%s\n", progressText(&j))
			}
		})
		if err != nil {
			return refusal("following "+c.Follow, err)
		}
		return c.print(p, []client.Job{j})
	}
	page, err := api.Jobs(p.ctx, c.Open, client.Paging{Limit: 100})
	if err != nil {
		return refusal("listing jobs", err)
	}
	return c.print(p, page.Items)
}

func (c *jobsCommand) print(p *process, jobs []client.Job) error {
	if len(jobs) == 0 {
		_, err := fmt.Fprintln(p.stdout, "There are no jobs.")
		return err
	}
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "JOB\tSTATUS\tWHAT\tPROGRESS\tASKED FOR\tENDED")
	for i := range jobs {
		j := &jobs[i]
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", j.ID, statusText(j), workText(j), progressText(j), j.CreatedAt, timeText(j.FinishedAt))
	}
	return w.Flush()
}

func statusText(j *client.Job) string {
	switch {
	case j.Problem != nil:
		return j.Status + ": " + j.Problem.Message
	case j.Cancelling:
		return "CANCELLING"
	}
	return j.Status
}

// workText says what a job does.
func workText(j *client.Job) string {
	of := "all customers"
	if j.CustomerID != nil {
		of = *j.CustomerID
	}
	if j.Apply == nil {
		return "backtest of " + of
	}
	if !*j.Apply {
		of += ", dry run"
	}
	if j.RateCardID == nil {
		return "re-pricing of unread usage of " + of
	}
	return "re-pricing by " + *j.RateCardID + " of " + of
}

func progressText(j *client.Job) string {
	if j.Progress.Total == nil {
		return fmt.Sprintf("%s %s", commas(int(j.Progress.Done)), j.Progress.Unit)
	}
	return fmt.Sprintf("%s of %s %s", commas(int(j.Progress.Done)), commas(int(*j.Progress.Total)), j.Progress.Unit)
}

func timeText(t *bursar.Time) string {
	if t == nil {
		return ""
	}
	return t.String()
}
