// In JupyterLab a figure is drawn by plotly's own code, which precedes this file (`theme.Figure`) as `plotlysWidget`; only
// the handles are ours. handles.js precedes it, too.

async function drawn(el) {
  while (!el._fullLayout?.xaxis?._offset) await new Promise(requestAnimationFrame);
}

export default () => {
  const own = plotlysWidget();
  return {
    initialize: (widget) => own.initialize(widget),
    render({ model, el }) {
      let hideHandles = () => {};
      let gone = false;
      const remove = own.render({ model, el });
      drawn(el).then(() => {
        if (!gone) hideHandles = showHandles(el, model);
      });
      return () => {
        gone = true;
        hideHandles();
        remove();
      };
    },
  };
};
