"""How the page looks, light and dark, and the little script that keeps it fresh. Both stand in the page itself: nothing else is loaded."""

from __future__ import annotations

import base64
import hashlib

STYLE = """
:root{color-scheme:light dark;--bg:#f5f6f8;--card:#fff;--ink:#16181d;--dim:#5c6370;--line:#dfe2e8;--soft:#eef0f4;--link:#1f5fbf;
--bad:#b3201a;--badbg:#fdecea;--warn:#8a5300;--warnbg:#fff4dc;--good:#17693a;--goodbg:#e6f4ea;--info:#1f5fbf;--infobg:#e8f0fc;--spark:#3b6fd4}
@media (prefers-color-scheme:dark){:root{--bg:#0e1116;--card:#171b22;--ink:#e7eaf0;--dim:#98a1b0;--line:#2a303b;--soft:#1f242d;--link:#8ab4ff;
--bad:#ff8d85;--badbg:#3a1a1a;--warn:#f5c463;--warnbg:#352a12;--good:#74d391;--goodbg:#14301f;--info:#8ab4ff;--infobg:#17263f;--spark:#7ea6f5}}
*{box-sizing:border-box}html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;overflow-wrap:anywhere}
a{color:var(--link);text-underline-offset:2px}code,.mono{font:13px/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
header{position:sticky;top:0;z-index:2;background:var(--card);border-bottom:1px solid var(--line)}
.bar{max-width:1240px;margin:0 auto;padding:.6rem 1rem;display:flex;flex-wrap:wrap;gap:.35rem .7rem;align-items:center}
.brand{font-weight:700;font-size:1.05rem;letter-spacing:-.01em;color:var(--ink);text-decoration:none}
.bar nav{margin-left:auto;display:flex;gap:.9rem;font-size:.9rem;align-items:center}.bar nav form{display:inline}
.when{color:var(--dim);font-size:.88rem;font-variant-numeric:tabular-nums}.when span{white-space:nowrap}
main{max-width:1240px;margin:0 auto;padding:0 1rem 4rem}
h2{font-size:1.02rem;margin:1.9rem 0 .6rem;display:flex;gap:.6rem;align-items:baseline;flex-wrap:wrap}h2 small{font-weight:400;color:var(--dim)}
h3{font-size:.86rem;font-weight:600;color:var(--dim);margin:1.1rem 0 .45rem;text-transform:capitalize}p{margin:.3rem 0}
.pill{display:inline-block;border-radius:99px;padding:.08rem .6rem;font-size:.82rem;font-weight:600;white-space:nowrap;background:var(--soft);color:var(--dim);
max-width:100%;overflow:hidden;text-overflow:ellipsis;vertical-align:bottom}
.pill.bad{background:var(--badbg);color:var(--bad)}.pill.warn{background:var(--warnbg);color:var(--warn)}
.pill.good{background:var(--goodbg);color:var(--good)}.pill.info{background:var(--infobg);color:var(--info)}
.bad{color:var(--bad);font-weight:600}.warn{color:var(--warn);font-weight:600}.good{color:var(--good)}.dim,small{color:var(--dim)}
.note{border:1px solid var(--line);border-left:4px solid var(--dim);background:var(--card);border-radius:8px;padding:.6rem .9rem;margin:.8rem 0}
.note.bad{border-left-color:var(--bad);font-weight:400;color:inherit}.note.good{border-left-color:var(--good);color:inherit}
.note.warn{border-left-color:var(--warn);font-weight:400;color:inherit}.note p{margin:.15rem 0}.note ul{margin:.2rem 0;padding-left:1.2rem}
.inc{background:var(--card);border:1px solid var(--line);border-left:5px solid var(--dim);border-radius:10px;padding:.85rem 1rem;margin:.7rem 0}
.inc.page{border-left-color:var(--bad)}.inc.ticket{border-left-color:var(--warn)}.inc.info{border-left-color:var(--info)}.inc.over{border-left-color:var(--good)}
.top{display:flex;gap:.5rem;flex-wrap:wrap;align-items:center;font-size:.88rem;color:var(--dim)}.top .grow{flex:1}
.alert p{max-width:88ch}.say{font-size:1.06rem;font-weight:600;line-height:1.38;margin:.55rem 0 .15rem}.inc h4{margin:0;font-size:.95rem}
.alert{border-top:1px solid var(--line);margin-top:.7rem;padding-top:.6rem}.top+.alert{border-top:0;margin-top:.2rem;padding-top:0}
.facts{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:.12rem .9rem;margin:.45rem 0;font-size:.92rem}
.facts dt{color:var(--dim)}.facts dd{margin:0;font-variant-numeric:tabular-nums}
.chips{display:flex;flex-wrap:wrap;gap:.3rem;margin:.35rem 0 .55rem}.chips:empty{display:none}
.chip{background:var(--soft);border-radius:6px;padding:.05rem .45rem;font:12.5px/1.6 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}
.chip i{font-style:normal;color:var(--dim)}
.way{display:flex;flex-wrap:wrap;margin:.6rem 0 .2rem;font-size:.86rem;font-variant-numeric:tabular-nums;list-style:none;padding:0;gap:.15rem 0}
.way li{display:flex;align-items:baseline;min-width:0}.way li:not(:last-child):after{content:"\\2192";color:var(--dim);margin:0 .5rem}.way b{font-weight:600;margin-left:.35rem}
.acts{display:flex;gap:.6rem;flex-wrap:wrap;align-items:center;margin-top:.7rem}
button,.button{font:inherit;font-weight:600;border:1px solid var(--line);background:var(--card);color:var(--ink);border-radius:8px;padding:.45rem .95rem;min-height:42px;cursor:pointer;text-decoration:none;display:inline-flex;align-items:center}
button.main{background:var(--link);border-color:var(--link);color:var(--card)}button.quiet{border:0;background:none;color:var(--link);padding:0;min-height:0;font-weight:400;text-decoration:underline}
button:focus-visible,a:focus-visible,input:focus-visible,summary:focus-visible{outline:3px solid var(--link);outline-offset:2px}
.form{display:grid;gap:.7rem;max-width:34rem;margin:.9rem 0}.form label{display:grid;gap:.2rem;font-size:.92rem;color:var(--dim)}
input,select,textarea{font:inherit;font-size:16px;color:var(--ink);background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.5rem .65rem;width:100%;min-height:42px}
.grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(205px,1fr));gap:.6rem}
.tile{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:.55rem .7rem .5rem;display:flex;flex-direction:column;min-width:0}
.tile.page{border-color:var(--bad);box-shadow:inset 0 3px 0 var(--bad)}.tile.ticket{border-color:var(--warn);box-shadow:inset 0 3px 0 var(--warn)}
.tile.info{border-color:var(--info);box-shadow:inset 0 3px 0 var(--info)}
.tile.unknown{border-style:dashed;border-color:var(--warn)}.tile .name{font-size:.84rem;color:var(--dim);line-height:1.3}
.tile .name b{display:block;font-size:.68rem;font-weight:600;letter-spacing:.05em;text-transform:uppercase;color:var(--spark)}
.tile .now{font-size:1.2rem;font-weight:650;line-height:1.35;font-variant-numeric:tabular-nums;letter-spacing:-.01em}.tile .now small{font-size:.75rem;font-weight:400}
.tile .foot{font-size:.76rem;color:var(--dim);margin-top:.25rem;line-height:1.35;display:flex;justify-content:space-between;gap:.5rem}
.tile .foot span:last-child{text-align:right;flex:0 0 auto;max-width:70%}
svg.spark{display:block;width:100%;height:46px;margin-top:.25rem;overflow:visible}
.spark .line{fill:none;stroke:var(--spark);stroke-width:1.6;vector-effect:non-scaling-stroke;stroke-linejoin:round;stroke-linecap:round}
.spark .area{fill:var(--spark);opacity:.1;stroke:none}.spark .dot{stroke:var(--spark);stroke-width:5.5;stroke-linecap:round;vector-effect:non-scaling-stroke}
.spark .limit{stroke:var(--bad);stroke-width:1.1;stroke-dasharray:4 3;vector-effect:non-scaling-stroke;opacity:.8}.spark .limit.ticket{stroke:var(--warn)}.spark .limit.info{stroke:var(--info)}
.spark .gap{fill:var(--warn);opacity:.13}
table{border-collapse:collapse;width:100%;font-size:.92rem}td,th{text-align:left;padding:.38rem .9rem .38rem 0;border-bottom:1px solid var(--line);vertical-align:top}
tr:last-child td{border-bottom:0}th{font-weight:500;color:var(--dim);font-size:.82rem;white-space:nowrap}td.k,td.n{white-space:nowrap;font-variant-numeric:tabular-nums;width:1%}
td.n,th.n{text-align:right;padding-right:1.6rem}.hash{display:inline-block;max-width:14ch;overflow:hidden;text-overflow:ellipsis;white-space:nowrap;vertical-align:bottom;user-select:all}
.box{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:.3rem 1rem;overflow-x:auto;margin:.5rem 0}
details.box{padding:.55rem 1rem}details.box>summary{cursor:pointer;font-weight:600;min-height:28px}details.box>summary small{font-weight:400;margin-left:.5rem}
.two{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:0 1.2rem}.two>section{min-width:0}
footer{max-width:1240px;margin:0 auto;padding:1rem;color:var(--dim);font-size:.85rem}
.pill.late{display:none}body.late .pill.late{display:inline-block}body.late main{opacity:.55}
@media (max-width:900px){.two{grid-template-columns:minmax(0,1fr)}}
@media (max-width:640px){main,.bar,footer{padding-left:.8rem;padding-right:.8rem}.bar{padding-bottom:0}.bar nav{margin-left:0;width:100%;gap:1.1rem}.bar nav a,.bar nav button{display:inline-flex;align-items:center;min-height:42px}
.grid{grid-template-columns:repeat(2,minmax(0,1fr));gap:.5rem}
.tile{padding:.5rem .6rem}.tile .now{font-size:1.08rem}.tile .foot{display:block}.tile .foot span{display:block}
table,tbody,tr{display:block;width:100%}tr.h{display:none}tr{border-bottom:1px solid var(--line);padding:.5rem 0}tr:last-child{border-bottom:0}
td,td.k,td.n{display:inline-block;width:auto;max-width:100%;text-align:left;border:0;padding:.06rem 0;margin-right:.8rem;white-space:normal}td[data-l]:before{content:attr(data-l) " ";color:var(--dim);font-size:.86em}td:empty{display:none}
td>a{display:inline-block;padding:.6rem 0}details td:first-child,td .hash{display:block;max-width:100%;margin-right:0}details.box{padding-top:0}details.box>summary{min-height:44px;line-height:44px}
.acts>.button,.acts>form{flex:1 1 auto;justify-content:center}.acts>a:not(.button){width:100%;min-height:42px;display:inline-flex;align-items:center}.acts form{display:flex}.acts form button{flex:1;justify-content:center}}
.doc{max-width:88ch;font-size:1rem;line-height:1.6}.doc :is(h1,h2,h3,h4,h5,h6){display:block;color:inherit;text-transform:none;line-height:1.3;margin:2.2rem 0 .5rem;scroll-margin-top:5rem}
.doc h1{font-size:1.5rem;margin-top:1.4rem}.doc h2{font-size:1.18rem;padding-top:1.1rem;border-top:1px solid var(--line)}.doc h3{font-size:1.02rem}.doc p{margin:.65rem 0}
.doc :target{padding:.5rem 0;background:var(--infobg);border-radius:6px;box-shadow:0 0 0 .4rem var(--infobg);border-top-color:transparent}
.doc code{background:var(--soft);border-radius:5px;padding:.1rem .3rem;font-size:.86em}.doc pre{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:.7rem .9rem;overflow-x:auto}
.doc pre code{background:none;padding:0}.doc blockquote{margin:.8rem 0;padding:.1rem .9rem;border-left:4px solid var(--line);color:var(--dim)}.doc hr{border:0;border-top:1px solid var(--line)}
.doc li{margin:.25rem 0}.doc table{display:block;overflow-x:auto}
@media (max-width:640px){.doc :is(h1,h2,h3,h4,h5,h6){scroll-margin-top:10.5rem}.doc :is(ul,ol){padding-left:1.3rem}
.doc thead,.doc tbody{display:table-row-group}.doc tr{display:table-row}.doc :is(td,th){display:table-cell;padding:.38rem .9rem .38rem 0;border-bottom:1px solid var(--line)}}
@media print{header{position:static}}
"""

SCRIPT = """
(function(){
var every=5000,open={},seen=Date.now();
function remember(){document.querySelectorAll("details[id]").forEach(function(d){open[d.id]=d.open})}
function swap(text){
var fresh=new DOMParser().parseFromString(text,"text/html"),next=fresh.querySelector("main"),bar=fresh.querySelector("header .bar");
if(!next||!bar)throw new Error("another page");
remember();
document.querySelector("main").replaceWith(next);document.querySelector("header .bar").replaceWith(bar);document.title=fresh.title;
Object.keys(open).forEach(function(id){var d=document.getElementById(id);if(d)d.open=open[id]});
seen=Date.now();document.body.classList.remove("late")}
function late(){if(Date.now()-seen>3*every)document.body.classList.add("late")}
function again(){
if(document.hidden)return;
fetch(location.href,{cache:"no-store",redirect:"error"}).then(function(a){if(!a.ok)throw new Error(a.status);return a.text()}).then(function(t){
var at=document.activeElement;if(at&&at.closest&&at.closest("main form")){seen=Date.now();return}swap(t)}).catch(late)}
setInterval(again,every);document.addEventListener("visibilitychange",again);
})();
"""


def digest(text: str) -> str:
    """The source expression of a Content-Security-Policy that allows this very text and no other."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


POLICY = (
    f"default-src 'none'; style-src {digest(STYLE)}; script-src {digest(SCRIPT)}; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
