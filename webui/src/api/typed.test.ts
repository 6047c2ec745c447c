import { describe, expect, it } from "vitest";
import { formatExact } from "./amount";
import { Exact } from "./json";
import { numberStyle, plainStyle, setLocale, styled } from "./locale";
import { editable, inWords, readAmount, readPlain } from "./typed";

const read = (locale: string, text: string) => readAmount(text, numberStyle(locale)).amount?.text ?? null;

describe("an amount is read as the reader's language writes it", () => {
  it.each([
    ["en", "1,000.50", "1000.5"],
    ["en", " 12 000 ", "12000"],
    ["en", "12'000", "12000"],
    ["en", ".5", "0.5"],
    ["en", "3.", "3"],
    ["en", "999999999999999.999999999", "999999999999999.999999999"],
    ["en", "1.234", "1.234"],
    ["en", "0.500", "0.5"],
    ["de", "3.000", "3000"],
    ["de", "1,5", "1.5"],
    ["de", "3.000,50", "3000.5"],
    ["de", "1.234.567,891", "1234567.891"],
    ["es", "3.000", "3000"],
    ["it", "1.000.000", "1000000"],
    ["pt-BR", "1.500,25", "1500.25"],
    ["fr", "3 000,5", "3000.5"],
    ["fr", "3\u202f000", "3000"],
    ["de-CH", "3’000.5", "3000.5"],
    ["de-CH", "3'000", "3000"],
    ["en-IN", "12,34,567.5", "1234567.5"],
    ["en-IN", "1,234,567", "1234567"],
    ["ar-EG", "٣٬٠٠٠٫٥", "3000.5"],
  ])("%s %s", (locale, typed, want) => expect(read(locale, typed)).toBe(want));
});

describe("what has no one meaning is refused, and said why", () => {
  it.each([
    ["en", "3.000"],
    ["en", "250.750"],
    ["en", "1,5"],
    ["en", "3.000,50"],
    ["en", "1.234.567"],
    ["en", "12,34,567"],
    ["en", "1,000 000"],
    ["en", "-1"],
    ["en", "1e3"],
    ["en", "abc"],
    ["en", "."],
    ["en", "1000000000000000"],
    ["en", "0.0000000001"],
    ["de", "3.5"],
    ["de", "1.5000"],
    ["de", "1,234,567"],
    ["de", "3,000"],
    ["de", "1,000.50"],
    ["fr", "3.000"],
    ["fr", "3.5"],
    ["de-CH", "3,000"],
    ["en-IN", "1,2345"],
  ])("%s %s", (locale, typed) => {
    const got = readAmount(typed, numberStyle(locale));
    expect(got.amount).toBeNull();
    expect(got.problem).toMatch(/\w{3}/);
  });
  it("says both meanings", () => {
    expect(readAmount("3.000", plainStyle).problem).toBe("This could mean 3 or 3,000. Write 3 or 3000");
    expect(readAmount("2,500", numberStyle("de")).problem).toBe("This could mean 2,5 or 2.500. Write 2,5 or 2500");
  });
  it("nothing is no amount, and no mistake", () => expect(readAmount("  ")).toEqual({ amount: null, problem: null }));
});

it.each(["en", "de", "fr", "de-CH", "en-IN", "es", "pl", "ar-EG", "sv"])("what is shown and what is edited in %s is read back", locale => {
  const style = numberStyle(locale);
  for (const a of ["0", "0.5", "1.25", "1000", "3000.5", "1234567.891", "999999999999999.123456789"]) {
    expect(readAmount(editable(a, style), style).amount?.text).toBe(a);
    expect(readAmount(styled(a, style), style).amount?.text).toBe(a);
  }
});

it("shows amounts in the language in which it reads them", () => {
  setLocale("de");
  expect(formatExact(1234567.5)).toBe("1.234.567,5");
  setLocale("en-IN");
  expect(formatExact(1234567.5)).toBe("12,34,567.5");
  setLocale("no such language");
  expect(formatExact(1234567.5)).toBe("12,34,567.5");
  setLocale("en");
});

it.each([
  ["0", "zero"],
  ["3000", "three thousand"],
  ["1.5", "one point five"],
  ["21019", "twenty-one thousand nineteen"],
  ["1000000", "one million"],
  ["1200000000115", "one trillion two hundred billion one hundred fifteen"],
])("%s is %s", (a, want) => expect(inWords(new Exact(a))).toBe(want));

describe("a file writes amounts in one way", () => {
  it.each([
    ["3000", "3000"],
    ["1234.5", "1234.5"],
    ["1234.125", "1234.125"],
    ["0.0005", "0.0005"],
  ])("%s", (text, want) => expect(readPlain(text)?.text).toBe(want));
  it.each(["3.000", "1,5", "3,000", "3.000,50", "1 000", "", "-1", "unlimited", ".5", "1."])("refuses %s", text =>
    expect(readPlain(text)).toBeNull(),
  );
});
