// Ids carry the instant at which they were made (UUIDv7), so an account's age needs no other field.

export const bornAt = (id: string): string =>
  new Date(Number.parseInt(id.replaceAll("-", "").slice(0, 12), 16)).toISOString();
