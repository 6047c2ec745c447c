package main

import (
	"net/url"
	"os"

	"github.com/bursarhq/bursar/client"
	"github.com/bursarhq/bursar/mcp"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// mcpCommand answers the tools over the standard input and output, for agents that start it.
type mcpCommand struct {
	URL   string `name:"url" help:"The server; http://127.0.0.1:8080 by default." default:"http://127.0.0.1:8080" env:"BURSAR_URL" placeholder:"URL"`
	Token string `help:"The spend token. Set BURSAR_SPEND_TOKEN or BURSAR_SPEND_TOKEN_FILE rather than the flag, which others on the machine can see." env:"BURSAR_SPEND_TOKEN" placeholder:"TOKEN"`
}

func (c *mcpCommand) Run(p *process) error {
	if err := secretFile(&c.Token, "BURSAR_SPEND_TOKEN", os.Getenv); err != nil {
		return err
	}
	if u, err := url.Parse(c.URL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return exitf(exitUsage, "--url: %q is no URL of a server; write http://127.0.0.1:8080", c.URL)
	}
	s, err := mcp.Server(client.New(c.URL, ""), c.Token, version())
	if err != nil {
		return exitf(exitUsage, "%w; set BURSAR_SPEND_TOKEN", err)
	}
	if err := s.Run(p.ctx, &sdk.StdioTransport{}); err != nil && p.ctx.Err() == nil {
		return exitf(exitFailed, "%w", err)
	}
	return nil
}
