'use strict';
(() => {
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId('data').textContent);

  function texts() {
    const emotion = byId('text-emotion'), strength = byId('text-strength');
    const layer = byId('text-layer');
    const rows = document.querySelectorAll('#text-table [data-kind]');
    const filter = () => {
      let count = 0;
      for (const row of rows) {
        const {kind, direction} = row.dataset;
        row.hidden =
          (['emotion', 'opposite'].includes(kind) && direction !== emotion.value) ||
          (kind !== 'unsteered' && strength.value !== '' &&
            row.dataset.strength !== strength.value) ||
          (kind !== 'unsteered' && layer && layer.value !== '' &&
            row.dataset.layer !== layer.value);
        count += !row.hidden;
      }
      byId('text-count').textContent = `${count} of ${rows.length} texts`;
    };
    emotion.addEventListener('change', filter);
    strength.addEventListener('change', filter);
    if (layer) layer.addEventListener('change', filter);
    filter();
  }

  if (byId('text-table')) texts();
})();
