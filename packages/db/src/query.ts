// The query builder of this package, so that only one copy of it exists in the tree.
export { and, asc, desc, eq, gt, gte, inArray, isNull, lt, lte, ne, or, type SQL, sql } from "drizzle-orm";
