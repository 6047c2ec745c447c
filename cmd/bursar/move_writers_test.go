package main

import (
	"context"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/bursarhq/bursar/store/postgres/pgtest"
)

// writes waits until one whose name begins so may write into the database.
func writes(t *testing.T, url, holder string) {
	t.Helper()
	c, err := pgx.Connect(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(context.Background()) }()
	eventually(t, holder+" may write", func() bool {
		var found bool
		err := c.QueryRow(context.Background(), "SELECT EXISTS (SELECT FROM bursar.claims WHERE name = 'writers' AND until > clock_timestamp() AND starts_with(holder, $1))", holder).Scan(&found)
		return err == nil && found
	})
}

// An import and nodes exclude one another: an import is refused while a node runs, nodes
// while an import does, and who is killed is forgotten. A node that was paused so long
// that an import began writes nothing until that has ended.
func TestImportKeepsNodesOut(t *testing.T) {
	if testing.Short() {
		t.Skip("starts PostgreSQL, and waits for claims to end")
	}
	dir, url := t.TempDir(), pgtest.Database(t)
	from := filepath.Join(dir, "from")
	p := start(t, rigEnv(from))
	p.furnishAlerts(20)
	p.stop()
	whole, _, _ := bursarRun(t, 0, nil, "export", "--data", from)
	env := []string{"BURSAR_ADMIN_KEY=" + rigKey, "BURSAR_LISTEN=127.0.0.1:0", "BURSAR_DATABASE_URL=" + url}

	// An import that has half of its file and is killed.
	half := command(nil, "import", "--database-url", url)
	in, err := half.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	half.Stderr = new(output)
	if err := half.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Write([]byte(whole[:len(whole)/2])); err != nil {
		t.Fatal(err)
	}
	writes(t, url, "import/")
	_, out, _ := bursarRun(t, exitStore, []byte(whole), "import", "--database-url", url)
	says(t, out, "or another import does")
	refused := command(env, "serve")
	told := new(output)
	refused.Stderr = told
	_ = refused.Run()
	if code := refused.ProcessState.ExitCode(); code != exitStore {
		t.Errorf("a node: exit code %d\n%s", code, told)
	}
	says(t, told.String(), "an import is writing into the store")
	_ = half.Process.Kill()
	_ = half.Wait()
	_, out, _ = bursarRun(t, 0, []byte(whole), "import", "--database-url", url) // which waits for that to be forgotten
	says(t, out, "folds to the state that was exported")

	q := start(t, env)
	acme := q.must("GET", "/api/v1/customers/acme/entities", rigKey, "")
	_, out, _ = bursarRun(t, exitStore, []byte(whole), "import", "--database-url", url)
	says(t, out, "nodes use the store", "stop them", "Nothing was written")
	bursarRun(t, 0, []byte(whole), "import", "--database-url", url, "--dry-run")

	if err := q.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	again := command(nil, "import", "--database-url", url)
	if in, err = again.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	told = new(output)
	again.Stderr = told
	if err := again.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = again.Process.Kill() }()
	lines := strings.SplitAfter(whole, "\n")
	if _, err := in.Write([]byte(strings.Join(lines[:len(lines)/2], ""))); err != nil { // once it has the claim it reads
		t.Fatal(err)
	}
	writes(t, url, "import/")
	if err := q.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	code, _, _ := q.do("POST", "/api/v1/usage", rigKey, `{"usages":[{"customerId":"acme","featureId":"tokens","value":1,"dimensions":{"agent":"a0"},"idempotencyKey":"paused"}]}`)
	if code != 503 {
		t.Errorf("a node that was paused answers %d while an import runs", code)
	}
	if _, err := in.Write([]byte(strings.Join(lines[len(lines)/2:], ""))); err != nil {
		t.Fatal(err)
	}
	_ = in.Close()
	if err := again.Wait(); err != nil {
		t.Errorf("%v\n%s", err, told)
	}
	eventually(t, "the node serves again", func() bool {
		code, reply, _ := q.do("GET", "/api/v1/customers/acme/entities", rigKey, "")
		return code == 200 && reply == acme
	})
	if code := q.stop(); code != 0 {
		t.Error(q.log())
	}
}
