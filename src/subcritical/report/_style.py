"""The look of a report. System fonts; both colour schemes; every meaning also carried by a word or a shape."""

CSS = """
:root{color-scheme:light dark;--paper:#fff;--ink:#1b1f24;--soft:#5b6470;--line:#d9dee5;--box:#f6f8fa;--blue:#0b63ce;
--green:#0f7b4f;--orange:#c2560c;--red:#b3192b;--violet:#6b3fb3;--amber:#8a6100;--add:#e5f6ea;--del:#fdecec;--shade:#e9ecf1}
@media (prefers-color-scheme:dark){:root{--paper:#12161b;--ink:#e4e8ed;--soft:#9aa5b1;--line:#2e3641;--box:#1a2027;
--blue:#6cb0ff;--green:#5fd0a0;--orange:#ffa05c;--red:#ff8088;--violet:#c0a1ff;--amber:#e6bd5a;--add:#12301f;
--del:#3a1a1d;--shade:#242b34}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1040px;padding:28px 24px 64px;background:var(--paper);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
h1{font-size:26px;line-height:1.2;margin:0 0 4px;overflow-wrap:anywhere}
h2{font-size:19px;margin:44px 0 8px;padding-top:14px;border-top:1px solid var(--line)}
h3{font-size:15px;margin:18px 0 4px}
p{margin:6px 0;max-width:78ch}
small,.soft,figcaption,.empty{color:var(--soft)}
figcaption,.lead{font-size:13.5px;max-width:98ch}
code,pre,.mono{font:12.5px/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace}
code{overflow-wrap:anywhere}
.status{display:inline-block;border:1.5px solid currentColor;border-radius:4px;padding:1px 9px;font-weight:600;
font-size:13.5px;margin-right:8px}
.good{color:var(--green)}.warn{color:var(--orange)}.bad{color:var(--red)}
.verdict{font-size:17px;margin:14px 0 18px}
.notice{border-left:4px solid var(--orange);background:var(--box);padding:9px 14px;margin:10px 0;max-width:none}
.notice.bad{border-color:var(--red);color:inherit}.notice.good{border-color:var(--green);color:inherit}
.notice b{display:block}
.tiles{display:grid;grid-template-columns:repeat(4,1fr);gap:10px;margin:18px 0}
.tile{background:var(--box);border:1px solid var(--line);border-radius:6px;padding:10px 13px;min-width:0}
.tile span{display:block;color:var(--soft);font-size:12.5px}
.tile b{display:block;font-size:20px;line-height:1.3;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
.tile em{display:block;font-style:normal;font-size:12.5px;color:var(--soft);overflow-wrap:anywhere}
nav{font-size:13.5px;margin:12px 0 0}nav a{margin-right:14px}
a{color:var(--blue)}
figure{margin:10px 0 0}
.plot{width:100%;height:auto;display:block;overflow:visible}
.plot text{fill:var(--soft);font:12px system-ui,-apple-system,"Segoe UI",Roboto,Arial,sans-serif}
.plot text.title{fill:var(--ink);font-size:12.5px}.plot text.note{font-size:11px}
.axis{stroke:var(--soft);stroke-width:1}.grid{stroke:var(--line);stroke-width:1}
.public-line{fill:none;stroke:var(--blue);stroke-width:2}.public{fill:var(--blue)}
.tried{fill:var(--blue);opacity:.45}
.held-line{fill:none;stroke:var(--orange);stroke-width:1.6;stroke-dasharray:5 3}
.held{fill:var(--orange);stroke:var(--paper);stroke-width:1}
.whisker{fill:none;stroke:var(--orange);stroke-width:1.5}
.claimed{fill:none;stroke:var(--violet);stroke-width:1.3}.plot text.off{fill:var(--violet);font-size:11px}
.refused{fill:none;stroke:var(--red);stroke-width:1.5}
.halted{fill:var(--shade)}
.mark{stroke:var(--paper);stroke-width:.8;fill:var(--soft)}
.mark.critical{fill:var(--red)}.mark.high{fill:var(--orange)}.mark.medium{fill:var(--amber)}.mark.low{fill:var(--blue)}
.mark.info{fill:none;stroke:var(--soft);stroke-width:1.6}
.mark.accepted{fill:var(--blue)}.mark.action{fill:var(--ink)}.mark.review{fill:var(--green)}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:13.5px;margin:8px 0}
th{text-align:left;color:var(--soft);font-weight:600;font-size:12.5px;border-bottom:1.5px solid var(--line);
padding:5px 12px 5px 0;vertical-align:bottom}
td{border-bottom:1px solid var(--line);padding:6px 12px 6px 0;vertical-align:top;overflow-wrap:anywhere}
th:last-child,td:last-child{padding-right:0}
.num{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.tight,.tight code{white-space:nowrap;overflow-wrap:normal}.wide{min-width:260px}.text{min-width:150px}
.severity{white-space:nowrap;font-weight:600}
.severity svg{width:13px;height:13px;vertical-align:-1.5px;margin-right:5px}
.severity.critical{color:var(--red)}.severity.high{color:var(--orange)}.severity.medium{color:var(--amber)}
.severity.low{color:var(--blue)}.severity.info{color:var(--soft)}
.out td{color:var(--soft);text-decoration:line-through}
details{margin:6px 0}summary{cursor:pointer}
.version{border:1px solid var(--line);border-radius:6px;padding:8px 14px;margin:10px 0}
pre{background:var(--box);border:1px solid var(--line);border-radius:6px;padding:8px 10px;margin:6px 0;overflow:auto;
max-height:520px;white-space:pre;unicode-bidi:isolate}
pre.talk{white-space:pre-wrap;overflow-wrap:anywhere}
pre span{display:block;min-height:1.45em}
pre .add{background:var(--add)}pre .del{background:var(--del)}pre .hunk{color:var(--violet)}pre .file{font-weight:600}
ul{margin:6px 0;padding-left:22px;max-width:92ch}
dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 18px;margin:8px 0}dt{color:var(--soft)}
dd{margin:0;overflow-wrap:anywhere}
footer{margin-top:48px;color:var(--soft);font-size:12.5px}
@media (max-width:760px){.tiles{grid-template-columns:repeat(2,1fr)}body{padding:18px 14px}}
@media print{:root{color-scheme:light;--paper:#fff;--ink:#000;--soft:#444;--line:#bbb;--box:#f6f6f6;--blue:#0b63ce;
--green:#0f7b4f;--orange:#b34a00;--red:#a01020;--violet:#5a30a0;--amber:#735000;--add:#e5f6ea;--del:#fdecec;--shade:#e4e7ec}
body{max-width:none;padding:0;font-size:11px}nav{display:none}h2{break-after:avoid}figure,tr,.tile,.version{break-inside:avoid}.tiles{grid-template-columns:repeat(4,1fr)}
pre{max-height:none;white-space:pre-wrap;overflow:visible}details::details-content{content-visibility:visible;display:block}
.scroll{overflow:visible}.status,.notice,pre span,.tile{print-color-adjust:exact}}
"""
