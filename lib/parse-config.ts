import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { type Static, type TObject, Type } from "typebox";
import { Value } from "typebox/value";

/** A configuration that cannot be used; the message lists every mistake. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/**
 * The program's configuration: `--config FILE` (JSON), overruled by `MERIDIAN_` variables named after the properties
 * (`drainMs` → `MERIDIAN_DRAIN_MS`; anything but text as JSON). Unknown keys are refused, all mistakes come together, the result is frozen.
 */
export function parseConfig<T extends TObject>(
  schema: T,
  argv: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Static<T> {
  const { values } = parseArgs({ args: [...argv], options: { config: { type: "string" } } });
  const fromFile: unknown = values.config === undefined ? {} : readJson(values.config);
  const merged = { ...(fromFile as object), ...fromEnvironment(schema, environment) };
  const candidate = Value.Default(schema, merged);
  const mistakes = Value.Errors(schema, candidate).filter((error) => error.keyword !== "boolean");
  if (mistakes.length > 0) {
    const lines = mistakes.map(
      (mistake) =>
        `  ${mistake.instancePath || "/"}: ${mistake.message}${unknownKeys(mistake.params)}`,
    );
    throw new ConfigError(`the configuration is invalid:\n${lines.join("\n")}`);
  }
  return deepFreeze(candidate as Static<T>);
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    throw new ConfigError(`the configuration file ${path} cannot be read: ${String(cause)}`, {
      cause,
    });
  }
}

function fromEnvironment(
  schema: TObject,
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  for (const [property, shape] of Object.entries(schema.properties)) {
    const text =
      environment[
        `MERIDIAN_${property.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`
      ];
    if (text === undefined) continue;
    found[property] = Type.IsString(shape) ? text : parseLoosely(text);
  }
  return found;
}

function parseLoosely(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function unknownKeys(params: object): string {
  const { additionalProperties } = params as { additionalProperties?: readonly string[] };
  return additionalProperties === undefined ? "" : ` (${additionalProperties.join(", ")})`;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const child of Object.values(value)) deepFreeze(child);
  }
  return value;
}
