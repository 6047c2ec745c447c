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

/** The server refuses each token that is tried. */
async function refuse(access: Access, ms: number, every = 500) {
  for (let t = 0; t < ms; t += every) {
    await access.renew();
    await vi.advanceTimersByTimeAsync(every);
  }
}

it("asks once for all calls that are refused together", async () => {
  const { access, asked, given } = page("new", "newer");
  expect(await Promise.all([access.renew("old"), access.renew("old")])).toEqual([true, true]);
  expect(await access.renew("old")).toBe(true);
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

it("pauses also where new tokens are given and refused, and access is lost until one is accepted", async () => {
  const { access, asked } = page(...Array.from({ length: 50 }, (_, i) => `new ${i}`));
  await refuse(access, 15_000);
  // At 0, 5 and 15 seconds.
  expect(asked).toHaveBeenCalledTimes(3);
  expect(access.lost).toBe(true);
  access.accepted("old");
  expect(access.lost).toBe(true);
  access.accepted(access.token);
  expect(access.lost).toBe(false);
  // One that ends later is no failure.
  expect(await access.renew()).toBe(true);
  expect(access.lost).toBe(false);
});

it("pauses also where what is given comes by the settings first, as the element says it", async () => {
  const asked = vi.fn(async () => {
    access.offer(`new ${asked.mock.calls.length}`);
    return access.token;
  });
  const access: Access = new Access("old", Promise.resolve({ refreshToken: asked } as unknown as Host), () => {});
  await refuse(access, 15_000);
  expect(asked).toHaveBeenCalledTimes(3);
  expect(access.lost).toBe(true);
});

it("asks again by itself, where nothing is read that could be refused", async () => {
  const tokens = ["", "", "new"];
  const host = { refreshToken: async () => tokens.shift() || null } as unknown as Host;
  const access = new Access("", Promise.resolve(host), () => {});
  expect(await access.renew()).toBe(false);
  await vi.advanceTimersByTimeAsync(15_100);
  expect(access.token).toBe("new");
});

it("asks anew for another customer, and does not take what was asked for the one before", async () => {
  const answers: ((token: string) => void)[] = [];
  const host = { refreshToken: () => new Promise<string>(done => answers.push(done)) } as unknown as Host;
  const access = new Access("", Promise.resolve(host), () => {});
  access.offer("of the first");
  void access.renew();
  await vi.advanceTimersByTimeAsync(0);
  const asking = access.drop();
  access.offer("of the first");
  expect(access.token).toBe("");
  await vi.advanceTimersByTimeAsync(0);
  answers[0]?.("of the first, too");
  answers[1]?.("of the second");
  expect(await asking).toBe(true);
  expect(access.token).toBe("of the second");
});

it("a click asks once without a pause", async () => {
  const { access, asked } = page();
  await refuse(access, 2000);
  access.click();
  await refuse(access, 2000);
  expect(asked).toHaveBeenCalledTimes(2);
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
