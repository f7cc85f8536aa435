import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

// The package is CommonJS: its default export is one level down for ES modules.
const newAjv = () => addFormats.default(new Ajv2020({ strict: false, allErrors: true, logger: false }));

/** By the text of the schema, those used last at the end. */
const compiled = new Map<string, ValidateFunction>();
const maxCompiled = 200;

/**
 * Compiles a JSON Schema (2020-12), which takes some ten milliseconds, once for those that come again and again. Each has a
 * validator of its own: schemas come from anywhere, and two of them may claim the same `$id`.
 * @throws Error when it is no JSON Schema, or refers to one that is not part of it.
 */
export function compileSchema(schema: Readonly<Record<string, unknown>>): ValidateFunction {
  const { $schema: _dialect, ...withoutDialect } = schema;
  const text = JSON.stringify(withoutDialect);
  const validate = compiled.get(text) ?? newAjv().compile(withoutDialect);
  compiled.delete(text);
  compiled.set(text, validate);
  const [oldest] = compiled.keys();
  if (compiled.size > maxCompiled && oldest !== undefined) compiled.delete(oldest);
  return validate;
}
