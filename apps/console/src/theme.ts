// Light, dark, or as the system has it; kept in a cookie so that the server already sends the right one.

export const themes = ["system", "light", "dark"] as const;
export type Theme = (typeof themes)[number];

export const themeCookie = "sb_theme";

export const readTheme = (value: string | undefined): Theme =>
  themes.find((theme) => theme === value) ?? "system";

/** The attribute on <html>; none leaves it to the system. */
export const themeAttribute = (theme: Theme) => (theme === "system" ? undefined : theme);
