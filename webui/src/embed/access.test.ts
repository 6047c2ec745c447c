import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Access } from "./access";
import type { Host } from "./protocol";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A page that is asked for tokens, and answers with what is next, or with none. */
function page(...tokens: string[]) {
  const asked = vi.fn(async () => tokens.shift() ?? null);
  const given = vi.fn();
  const host = Promise.resolve({ refreshToken: asked } as unknown as Host);
  return { asked, given, access: new Access("old", host, given) };
}

it("asks once for all calls that are refused together", async () => {
  const { access, asked, given } = page("new", "newer");
  expect(await Promise.all([access.renew(), access.renew()])).toEqual([true, true]);
  expect(await access.renew()).toBe(true);
  expect(asked).toHaveBeenCalledTimes(1);
  expect(given).toHaveBeenCalledTimes(1);
  expect(access.token).toBe("new");
});

it("pauses longer after each failure, up to a minute", async () => {
  const { access, asked } = page();
  for (const pause of [5, 10, 20, 40, 60, 60]) {
    expect(await access.renew()).toBe(false);
    const so = asked.mock.calls.length;
    await vi.advanceTimersByTimeAsync(pause * 1000 - 1);
    expect(await access.renew()).toBe(false);
    expect(asked).toHaveBeenCalledTimes(so);
    await vi.advanceTimersByTimeAsync(1);
  }
  expect(await access.renew()).toBe(false);
  expect(asked).toHaveBeenCalledTimes(7);
});

it("asks at once for a person, and tries the token that was refused", async () => {
  const { access, asked, given } = page("old", "old");
  expect(await access.renew()).toBe(false);
  expect(await access.again()).toBe(true);
  expect(asked).toHaveBeenCalledTimes(2);
  expect(given).toHaveBeenCalledTimes(1);
});

it("is renewed where another token comes while it asks for one", async () => {
  const { access } = page();
  const asking = access.renew();
  access.take("set by the page");
  expect(await asking).toBe(true);
});

it("has none where nobody gives any", async () => {
  expect(await new Access("old", null, () => {}).renew()).toBe(false);
});
