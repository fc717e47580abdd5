// The time zones that one can choose, the likely ones first.

export const timeZoneHere = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

export const timeZones = (chosen: string): string[] => [
  ...new Set([chosen, timeZoneHere(), "UTC", ...Intl.supportedValuesOf("timeZone")]),
];
