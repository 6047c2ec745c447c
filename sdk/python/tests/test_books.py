"""Ends of calls outlive the process, and count once."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
from pathlib import Path

from bursar import BursarError, Client, calls
from bursar.books import Books
from bursar.wire import Call
from tests.world import KEY, World

HERE = Path(__file__).resolve().parents[1]


class Recovery(World):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def files(self):
        return sorted(os.listdir(self.folder))

    def program(self, url, agent, text, **options):
        """A process with a client that governs calls, which ends as text does."""
        options = {"store": self.folder, "retries": 0, **options}
        head = f"""
            import os, signal, sys
            import bursar.govern, bursar.wire
            from bursar import Client
            bursar.govern.END_SECONDS = bursar.wire.ATTEMPT_SECONDS = 60.0
            bursar = Client({url!r}, {KEY!r}, **{options!r})
            def governed(**more):
                return bursar.govern("acme", dimensions={{"agentId": {agent!r}}}, max_tokens=50, input_tokens=1, **more)
        """
        source = textwrap.dedent(head) + textwrap.dedent(text)
        return subprocess.Popen([sys.executable, "-c", source], cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def ends(self, process):
        """Its exit, and what it wrote to its log."""
        _, err = process.communicate(timeout=120)
        return process.returncode, err

    def test_a_usage_that_a_killed_process_knew_is_sent_by_the_next_start_once(self):
        for plan in ([503, 503], ["lose"]):  # the commit did not arrive; it did, and its answer did not
            agent = self.agent(output=100)
            die = """
                call = governed().__enter__()
                call.used({"output_tokens": 9})
                send = bursar.send
                def killed(*args, **kwargs):
                    try:
                        send(*args, **kwargs)
                    finally:
                        os.kill(os.getpid(), signal.SIGKILL)
                bursar.send = killed
                call.__exit__(None, None, None)
            """
            self.relay.plan[:] = ["pass", *plan]
            code, err = self.ends(self.program(self.relay.url, agent, die))
            self.assertEqual(code, -signal.SIGKILL, err)
            self.assertEqual((len(self.files()), self.used(agent)), (1, 9 if plan == ["lose"] else 0))
            with self.client(store=self.folder) as c:
                self.assertEqual(c.flush(60), 0)
            self.assertEqual((self.used(agent), self.holds(agent), self.files()), (9, [], []))

    def test_what_waits_when_a_process_ends_is_kept(self):
        agent = self.agent(output=1000)
        work = """
            with governed() as call:
                call.used({"output_tokens": 9})
                bursar._connections._port = 1          # the server goes away
                bursar._connections.close()
            with governed(unavailable="allow") as call:
                call.used({"output_tokens": 4})
            try:
                with governed() as call:
                    pass
            except Exception as e:
                print(type(e).__name__, file=sys.stderr)
            bursar.close(timeout=0.1)
        """
        code, err = self.ends(self.program(self.relay.url, agent, work))
        self.assertEqual(code, 0, err)
        self.assertIn("Unavailable", err)
        self.assertIn("2 ends of calls are kept", err)
        self.assertEqual((self.used(agent), len(self.files())), (0, 1))
        for _ in range(2):
            with self.client(store=self.folder) as c:
                self.assertEqual(c.flush(60), 0)
        self.assertEqual((self.used(agent), self.files()), (13, []))

    def test_a_process_leaves_the_files_of_others_that_run(self):
        agent = self.agent(output=100)
        work = """
            call = governed().__enter__()
            call.used({"output_tokens": 9})
            bursar.books.note(__import__("bursar.calls").calls.release("acme", call.id))   # about to be sent
            print("ready", flush=True)
            sys.stdin.readline()
        """
        process = self.program(self.relay.url, agent, work)
        self.assertEqual(process.stdout.readline(), "ready\n", process.stderr)
        with self.client(store=self.folder) as c:
            self.assertEqual((len(c.books), len(self.files())), (0, 2))
        self.assertEqual(len(self.holds(agent)), 1)
        process.kill()
        process.communicate()
        with self.client(store=self.folder) as c:
            self.assertEqual(c.flush(60), 0)
        self.assertEqual((self.holds(agent), self.files()), ([], []))

    def test_a_hold_is_taken_back_though_an_end_is_refused_again_and_again(self):
        undone = threading.Event()

        def send(call):
            if call.path == "/end":
                raise BursarError("a key that is wrong", status=401, code="Unauthenticated")
            undone.set()
            return {"status": "RELEASED"}

        books = Books(send, "http://x", 10, None)
        self.addCleanup(books.close, 0)
        books.later(books.note(Call("POST", "/end")))
        books.later(books.note(Call("POST", "/hold"), undo=True))
        self.assertTrue(undone.wait(60))

    def test_after_a_fork_each_process_has_its_own(self):
        agent = self.agent(output=1000)
        work = """
            with governed() as call:
                call.used({"output_tokens": 1})
            child = os.fork()
            with governed() as call:
                call.used({"output_tokens": 2 if child else 3})
                bursar._connections._port = 1
                bursar._connections.close()
            bursar.close(timeout=0.1)
            if child:
                os.waitpid(child, 0)
        """
        code, err = self.ends(self.program(self.relay.url, agent, work))
        self.assertEqual((code, err.count("1 ends of calls are kept"), len(self.files()), self.used(agent)), (0, 2, 2, 1), err)
        with self.client(store=self.folder) as c:
            self.assertEqual(c.flush(60), 0)
        self.assertEqual((self.used(agent), self.files()), (6, []))

    def test_a_line_that_was_not_written_to_its_end_is_left_out_with_a_word(self):
        agent = self.agent(output=100)
        hold = self.client(self.server.url).reserve("acme", event_name="llm", dimensions={"agentId": agent}, max_tokens=50, input_tokens=1)["id"]
        path = f"/customers/acme/reservations/{hold}/commit"
        line = json.dumps({"id": "a", "method": "POST", "path": path, "body": {"usage": {"output_tokens": 5}}, "key": "k", "undo": False})
        with self.client(store=self.folder) as c:
            name = c.books._name
        Path(self.folder, f"{name}-1-a.jsonl").write_text(line + "\n" + line[:40])
        with self.assertLogs("bursar", "WARNING") as logged, self.client(store=self.folder) as c:
            self.assertEqual(c.flush(60), 0)
        self.assertIn("cannot be read", logged.output[0])
        self.assertEqual((self.used(agent), self.files()), (5, []))

    def test_without_a_folder_what_is_lost_is_said(self):
        agent = self.agent(output=100)
        c = Client(self.relay.url, KEY, retries=0)
        with self.assertLogs("bursar", "ERROR") as logged:
            with c.govern("acme", dimensions={"agentId": agent}, max_tokens=50, input_tokens=1) as call:
                self.relay.plan[:] = [503] * 1000
                call.used({"output_tokens": 9})
            c.close(timeout=0.05)
        self.assertIn("1 ends of calls were not recorded", logged.output[0])

    def test_a_refused_end_is_said_and_not_sent_for_ever(self):
        c, agent = self.client(retries=0), self.agent(output=100)
        with self.assertLogs("bursar", "ERROR") as logged:
            with c.govern("acme", dimensions={"agentId": agent}, max_tokens=50, input_tokens=1) as call:
                call.used({"output_tokens": 9})
                call.held["id"] = "of-nobody"
        self.assertIn("was refused", logged.output[0])
        self.assertEqual(len(c.books), 0)

    def test_of_a_hold_that_another_ended_the_usage_counts_by_itself(self):
        c, agent = self.client(retries=0), self.agent(output=100)
        for lost in ([], ["lose", "lose", 503]):  # at once, and by the thread
            with c.govern("acme", dimensions={"agentId": agent}, max_tokens=20, input_tokens=1) as call:
                call.used({"output_tokens": 9})
                c.release("acme", call.id)
                self.relay.plan[:] = lost
            self.assertEqual(c.flush(60), 0)
        self.assertEqual((self.used(agent), self.holds(agent)), (18, []))

    def test_a_wrong_key_or_a_proxy_empties_no_file(self):
        agent = self.agent(output=100)
        work = """
            call = governed().__enter__()
            call.used({"output_tokens": 9})
            bursar._connections._port = 1
            bursar._connections.close()
            call.__exit__(None, None, None)
            bursar.close(timeout=0.1)
        """
        self.assertEqual(self.ends(self.program(self.relay.url, agent, work))[0], 0)
        for key, plan in (("bsk_wrong-key-of-nobody", []), (KEY, [413] * 1000)):
            self.relay.plan[:] = plan
            c = Client(self.relay.url, key, store=self.folder, on_warning=self.warned.append)
            with self.assertLogs("bursar"):
                c.close(timeout=0.2)
            self.assertEqual(len(self.files()), 1)
        self.relay.plan.clear()
        with self.client("http://localhost" + self.relay.url[16:], store=self.folder) as c:  # another address
            self.assertEqual(len(c.books), 0)
        with self.client(store=self.folder) as c:
            self.assertEqual(c.flush(60), 0)
        self.assertEqual((self.used(agent), self.files()), (9, []))

    def test_a_file_does_not_grow_for_ever(self):
        c = self.client(store=self.folder)
        kept = c.books.note(calls.release("acme", "x"))
        for _ in range(30):
            c.books.done(c.books.note(calls.events({"text": "x" * 100_000})))
        size = sum(Path(self.folder, f).stat().st_size for f in self.files())
        self.assertLess(size, 3 << 20)
        self.assertEqual(len(self.files()), 1)
        text = Path(self.folder, self.files()[0]).read_text()
        self.assertIn(kept.id, text)
        c.books.done(kept)

    def test_what_ends_after_the_client_was_closed_is_said(self):
        c, agent = Client(self.relay.url, KEY, retries=0), self.agent(output=100)
        with c.govern("acme", dimensions={"agentId": agent}, max_tokens=50, input_tokens=1) as call:
            c.close()
            self.relay.plan[:] = [503]
            with self.assertLogs("bursar", "ERROR") as logged:
                call.used({"output_tokens": 9})
                call.finish()
        self.assertIn("the client is closed", logged.output[0])
        c.close()
