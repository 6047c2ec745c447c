import ts from "typescript";
import { expect, it } from "vitest";
import doc from "../../../httpapi/openapi.json?raw";
import source from "./types.ts?raw";

// types.ts is written by hand, for it says less than the API does and says some of it more
// sharply. What it says is held to openapi.json: each member is there, is optional or null
// only where the document says so, and is of its kind.

type Schema = {
  $ref?: string;
  type?: string | string[];
  enum?: unknown[];
  anyOf?: Schema[];
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
};
const schemas: Record<string, Schema> = JSON.parse(doc).components.schemas;

const aliases = new Map<string, ts.TypeNode>();
ts.createSourceFile("types.ts", source, ts.ScriptTarget.Latest, true).forEachChild(n => {
  if (ts.isTypeAliasDeclaration(n) && !n.typeParameters) aliases.set(n.name.text, n.type);
});

/** The schema without references and null, and whether it may be null. */
function open(s: Schema): { schema: Schema; nullable: boolean } {
  if (s.$ref) return open(schemas[s.$ref.split("/").at(-1) ?? ""] ?? {});
  if (s.anyOf) {
    const rest = s.anyOf.filter(x => x.type !== "null");
    return { schema: rest.length === 1 && rest[0] ? open(rest[0]).schema : { anyOf: rest }, nullable: rest.length < s.anyOf.length };
  }
  const nullable = Array.isArray(s.type) && s.type.includes("null");
  return { schema: nullable ? { ...s, type: (s.type as string[]).find(t => t !== "null") } : s, nullable };
}

const isNull = (n: ts.TypeNode) => ts.isLiteralTypeNode(n) && n.literal.kind === ts.SyntaxKind.NullKeyword;

function members(type: ts.TypeNode): readonly ts.TypeElement[] | null {
  return ts.isTypeLiteralNode(type) ? type.members : null;
}

/** What is wrong with a type, given the schema of what it is of. */
function check(at: string, type: ts.TypeNode, given: Schema, seen: Set<string>): string[] {
  const { schema, nullable } = open(given);
  if (Object.keys(schema).every(k => k === "description")) return []; // anything
  const choices = ts.isUnionTypeNode(type) ? type.types.filter(t => !isNull(t)) : [type];
  const saysNull = ts.isUnionTypeNode(type) && type.types.some(isNull);
  const wrong = saysNull === nullable ? [] : [`${at} ${nullable ? "may be null" : "is never null"}`];
  const [only] = choices;
  if (!only || choices.length > 1) return [...wrong, ...literals(at, choices, schema)];
  if (ts.isParenthesizedTypeNode(only)) return [...wrong, ...check(at, only.type, schema, seen)];
  if (ts.isArrayTypeNode(only))
    return [...wrong, ...(schema.items ? check(`${at}[]`, only.elementType, schema.items, seen) : [`${at} is no list`])];
  const own = members(only);
  if (own) return [...wrong, ...own.flatMap(m => checkMember(at, m, schema, seen))];
  if (ts.isIntersectionTypeNode(only)) return [...wrong, ...only.types.flatMap(t => check(at, t, schema, seen))];
  if (ts.isTypeReferenceNode(only)) {
    const name = only.typeName.getText();
    if (name === "Amount") return schema.type === "number" ? wrong : [...wrong, `${at} is no amount`];
    const alias = aliases.get(name);
    if (!alias || seen.has(name)) return wrong;
    return [...wrong, ...check(at, alias, schema, new Set([...seen, name]))];
  }
  return [...wrong, ...literals(at, choices, schema), ...plain(at, only, schema)];
}

function checkMember(at: string, m: ts.TypeElement, schema: Schema, seen: Set<string>): string[] {
  if (!ts.isPropertySignature(m) || !m.type) return [];
  const name = m.name.getText();
  const member = schema.properties?.[name];
  if (name === "wouldNeed") return []; // of an explanation's nodes alone
  if (!member) return [`${at}.${name} is not in the API`];
  const optional = m.questionToken !== undefined;
  const always = schema.required?.includes(name) ?? false;
  return [
    ...(optional === always ? [`${at}.${name} is ${always ? "always there" : "not always there"}`] : []),
    ...check(`${at}.${name}`, m.type, member, seen),
  ];
}

/** Texts that the API never sends. */
function literals(at: string, types: ts.TypeNode[], schema: Schema): string[] {
  if (!schema.enum) return [];
  return types.flatMap(t =>
    ts.isLiteralTypeNode(t) && ts.isStringLiteral(t.literal) && !schema.enum?.includes(t.literal.text)
      ? [`${at} is never ${t.getText()}`]
      : [],
  );
}

const kinds: Partial<Record<ts.SyntaxKind, string[]>> = {
  [ts.SyntaxKind.StringKeyword]: ["string"],
  [ts.SyntaxKind.NumberKeyword]: ["number", "integer"],
  [ts.SyntaxKind.BooleanKeyword]: ["boolean"],
};

function plain(at: string, type: ts.TypeNode, schema: Schema): string[] {
  const kind = [schema.type].flat()[0];
  return !kind || kinds[type.kind]?.includes(kind) !== false ? [] : [`${at} is ${kind}`];
}

// Type by the schema of the same thing; what these mention is looked at with them.
const named: Record<string, string> = { PromotionalEntitlement: "Promotion", LedgerEntry: "Ledger", Entitlement: "FeatureCheck" };
const own = ["Page", "One", "Dimensions", "Enforcement", "Ungoverned", "Capability", "Decision", "Explanation", "Binding", "Tree"];

it.each([...aliases.keys()].filter(name => !own.includes(name)))("%s is what openapi.json says", name => {
  const schema = schemas[named[name] ?? name];
  expect(schema, `no schema for ${name}`).toBeDefined();
  expect(check(name, aliases.get(name) as ts.TypeNode, schema as Schema, new Set([name]))).toEqual([]);
});
