import {
  type Compilable,
  type CompiledQuery,
  createQueryId,
  DummyDriver,
  Kysely,
  type RawBuilder,
  type RootOperationNode,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely';

/** A query builder that only builds: its text is executed by a `Database`. */
export function sqliteQueryBuilder<Tables>(): Kysely<Tables> {
  return new Kysely<Tables>({
    dialect: {
      createAdapter: () => new SqliteAdapter(),
      createDriver: () => new DummyDriver(),
      createIntrospector: (db) => new SqliteIntrospector(db),
      createQueryCompiler: () => new SqliteQueryCompiler(),
    },
  });
}

/** A built query; its `compile` only tells the type of its rows. */
interface StatementBuilder<Row> extends Compilable<Row> {
  toOperationNode(): RootOperationNode;
}

class Placeholder {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

/**
 * Writes constants into the text, so that only named values are parameters: SQLite recognizes a partial index by a
 * constant alone, and plans a statement anew each time it is given a parameter in such a place, or as its limit.
 */
class StatementCompiler extends SqliteQueryCompiler {
  protected override appendValue(value: unknown): void {
    if (value instanceof Placeholder) super.appendValue(value);
    else this.appendImmediateValue(value);
  }
}

/**
 * A query that is compiled once and then only given its values: compiling costs more than executing on the hot path.
 * @param build Receives a function that stands for a named value.
 */
export function statement<Values extends object, Row>(
  build: (
    value: <Name extends keyof Values & string>(name: Name) => Values[Name],
  ) => StatementBuilder<Row> | RawBuilder<Row>,
): (values: Values) => CompiledQuery<Row> {
  // A placeholder poses as the value it stands for; Kysely passes parameters through untouched.
  const built = build((name) => new Placeholder(name) as never);
  const compiled = new StatementCompiler().compileQuery(built.toOperationNode(), createQueryId());
  // The compiler leaves no other parameters, and their names were given as keys of Values.
  const names = compiled.parameters.map((placeholder) => (placeholder as Placeholder).name as keyof Values);
  return (values) => ({ ...compiled, parameters: names.map((name) => values[name]) });
}
