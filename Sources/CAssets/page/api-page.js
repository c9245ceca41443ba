"use strict";

// Redoc has one theme, which is chosen when the page is loaded.
const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
const colors = isDark
  ? {
      page: "#11151a", card: "#1a2028", text: "#e6eaf0", muted: "#a4afbd", line: "#333d49", link: "#8ab8f5",
      good: "#7fd8a0", failing: "#ff9c9f", code: "#0b0e12",
    }
  : {
      page: "#ffffff", card: "#f5f6f8", text: "#1b2028", muted: "#525c69", line: "#d7dce2", link: "#0b57b0",
      good: "#17663a", failing: "#a11320", code: "#11171a",
    };
const font = 'system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif';
const codeFont = 'ui-monospace, "DejaVu Sans Mono", monospace';

document.documentElement.classList.toggle("dark", isDark);
Redoc.init(
  "/openapi.json",
  {
    downloadUrls: [
      { title: "YAML", url: "/openapi.yaml" },
      { title: "JSON", url: "/openapi.json" },
    ],
    expandResponses: "200,201,204",
    hideLoading: true,
    jsonSampleExpandLevel: 3,
    nativeScrollbars: true,
    theme: {
      spacing: { sectionVertical: 16 },
      colors: {
        primary: { main: colors.link },
        success: { main: colors.good },
        error: { main: colors.failing },
        text: { primary: colors.text, secondary: colors.muted },
        border: { dark: colors.line, light: colors.line },
        gray: { 50: colors.card, 100: colors.card },
        responses: {
          success: { color: colors.good, backgroundColor: colors.card, tabTextColor: "#7fd8a0" },
          error: { color: colors.failing, backgroundColor: colors.card, tabTextColor: "#ff9c9f" },
          redirect: { color: colors.text, backgroundColor: colors.card, tabTextColor: "#e6eaf0" },
          info: { color: colors.link, backgroundColor: colors.card, tabTextColor: "#8ab8f5" },
        },
      },
      schema: {
        linesColor: colors.line, typeNameColor: colors.muted, typeTitleColor: colors.muted,
        requireLabelColor: colors.failing, nestedBackground: colors.card, nestingSpacing: "1em",
        arrow: { color: colors.muted },
      },
      typography: {
        fontFamily: font,
        headings: { fontFamily: font },
        code: { fontFamily: codeFont, color: colors.text, backgroundColor: colors.card, wrap: true },
        links: { color: colors.link, visited: colors.link, hover: colors.text },
      },
      sidebar: { backgroundColor: colors.card, textColor: colors.text, activeTextColor: colors.link },
      rightPanel: { backgroundColor: colors.code, textColor: "#e6eaf0" },
      codeBlock: { backgroundColor: "#05070a" },
      fab: { backgroundColor: colors.card, color: colors.link },
    },
  },
  document.getElementById("api"),
);
