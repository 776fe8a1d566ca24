// A figure of a page whose template loads plotly.js once for all of them (index.html.j2).

const plotly = (await globalThis.ntkvizPlotly).default;

// plotly.js measures its place when it draws: it has to be on the page by then.
async function placed(element) {
  while (!element.isConnected || !element.offsetWidth) await new Promise(requestAnimationFrame);
}

export default () => {
  const { initialize, render } = plotly();
  return {
    initialize,
    async render(context) {
      await placed(context.el);
      return render(context);
    },
  };
};
