// What scripts say, in the language of the page: `worded("{count} blocks", { count: 3 })`. Pages in languages other than
// English, and widgets in their notebooks, carry the translations.

const worded = (text, fields = {}) =>
  (globalThis.ntkvizWords?.[text] ?? text).replace(/\{(\w+)\}/g, (whole, name) => fields[name] ?? whole);
