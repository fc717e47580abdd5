// Every page of the console, in the groups in which one looks for them. The rail, the menu, the keys and the palette read this list.

export type PageEntry = { path: string; name: string; key: string; icon: React.ReactNode };

export const pageGroups: { name: string; pages: PageEntry[] }[] = [
  {
    name: "Now",
    pages: [
      { path: "/", name: "Overview", key: "o", icon: <path d="M2 12.5 5.5 7l3 3.5L14 3" /> },
      {
        path: "/services",
        name: "Services",
        key: "v",
        icon: <path d="M2.5 2.8h11v4h-11zM2.5 9.2h11v4h-11zM5 4.8h.01M5 11.2h.01" />,
      },
      {
        path: "/work",
        name: "Work",
        key: "w",
        icon: <path d="M2 4h3v3H2zM6.5 4h3v3h-3zM11 4h3v3h-3M2 10.5h10m-2.2-2.2 2.2 2.2-2.2 2.2" />,
      },
    ],
  },
  {
    name: "Traffic",
    pages: [
      {
        path: "/switches",
        name: "Switches",
        key: "s",
        icon: <path d="M3 13h10M8 13V8.5m0 0 3.2-5.2M9.9 2.6l2.6 1.5" />,
      },
      {
        path: "/canaries",
        name: "Canaries",
        key: "n",
        icon: <path d="M2 13h3.5v-3H9V6.5h3.5V3H14" />,
      },
      {
        path: "/limits",
        name: "Limits",
        key: "l",
        icon: <path d="M2.3 12a5.7 5.7 0 1 1 11.4 0M8 11.8l2.7-4.3" />,
      },
      {
        path: "/caches",
        name: "Caches",
        key: "c",
        icon: <path d="M8 2.5 14 5.5l-6 3-6-3zM2 8.2l6 3 6-3M2 11l6 3 6-3" />,
      },
      {
        path: "/applications",
        name: "Applications",
        key: "k",
        icon: <path d="M5.3 13.2a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5ZM7.1 8.9 13 3m-2.3 2.3 2 2" />,
      },
    ],
  },
  {
    name: "People",
    pages: [
      { path: "/reports", name: "Reports", key: "r", icon: <path d="M4 14V2.5h8.5l-2 3 2 3H4" /> },
      {
        path: "/people",
        name: "People",
        key: "p",
        icon: (
          <path d="M8 7.8a2.6 2.6 0 1 0 0-5.2 2.6 2.6 0 0 0 0 5.2ZM2.8 13.5c.5-2.6 2.5-3.8 5.2-3.8s4.7 1.2 5.2 3.8" />
        ),
      },
      {
        path: "/mail",
        name: "Mail",
        key: "m",
        icon: <path d="M2.3 3.8h11.4v8.6H2.3zM2.6 4.3 8 8.8l5.4-4.5" />,
      },
    ],
  },
  {
    name: "System",
    pages: [
      {
        path: "/audit",
        name: "Audit log",
        key: "a",
        icon: <path d="M6 4h7.5M6 8h7.5M6 12h7.5M2.7 4h.01M2.7 8h.01M2.7 12h.01" />,
      },
    ],
  },
];

export const pages = pageGroups.flatMap((group) => group.pages);

/** The page that an address belongs to: a person's own page is among people. */
export const isAt = (page: PageEntry, path: string) =>
  page.path === "/" ? path === "/" : path === page.path || path.startsWith(`${page.path}/`);
