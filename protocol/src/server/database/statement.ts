import {
  type Compilable,
  type CompiledQuery,
  DummyDriver,
  Kysely,
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

class Placeholder {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

/**
 * A query that is compiled once and then only given its values: compiling costs more than executing on the hot path.
 * @param build Receives a function that stands for a named value.
 */
export function statement<Values extends object, Row>(
  build: (value: <Name extends keyof Values & string>(name: Name) => Values[Name]) => Compilable<Row>,
): (values: Values) => CompiledQuery<Row> {
  // A placeholder poses as the value it stands for; Kysely passes parameters through untouched.
  const compiled = build((name) => new Placeholder(name) as never).compile();
  const { parameters } = compiled;
  return (values) => ({
    ...compiled,
    parameters: parameters.map((parameter) =>
      // The name was given as a key of Values.
      parameter instanceof Placeholder ? values[parameter.name as keyof Values] : parameter,
    ),
  });
}
