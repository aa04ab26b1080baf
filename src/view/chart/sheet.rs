//! The style sheet of the chart: colours of light and dark, line styles, and the motion of the animated one.

use std::fmt::Write as _;

use super::{LEFT, LOOP_SECONDS, REVEALED, RIGHT};

/// Colours are those of Okabe and Ito, told apart by most colour-blind readers; the dark ones are lightened to the same contrast.
pub(super) const STYLE: &str = "
:root{color-scheme:light dark;--bg:#fff;--fg:#1f2328;--dim:#59636e;--grid:#d1d9e0;--value:#0072b2;--target:#b35900;--raw:#a03a80;\
--stab:#56708a;--applied:#00795a;--run:#00795a22;--held:#a03a801f;--up:#b35900;--max:#a03a80;--window:#3d6b99;--lost:#c62828;--ok:#00795a}
@media(prefers-color-scheme:dark){:root{--bg:#0d1117;--fg:#f0f6fc;--dim:#9198a1;--grid:#30363d;--value:#56b4e9;--target:#e69f00;\
--raw:#e08cc4;--stab:#9db4cc;--applied:#2fc79a;--run:#2fc79a2b;--held:#e08cc426;--up:#e69f00;--max:#e08cc4;--window:#7fb2e5;--lost:#ff7b72;--ok:#2fc79a}}
text{font:12px system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;fill:var(--dim)}
.title{font-size:17px;font-weight:600;fill:var(--fg)}.band{font-weight:600;font-size:13px;fill:var(--fg)}.num{text-anchor:end}.mid{text-anchor:middle}
.bg{fill:var(--bg)}.grid{stroke:var(--grid);stroke-width:1;fill:none;opacity:.7}.axis{stroke:var(--dim);stroke-width:1;fill:none}
.value,.target,.raw,.stab,.applied,.max,.min{fill:none;stroke-linejoin:round}
.value{stroke:var(--value);stroke-width:2.2;stroke-linecap:round}.target{stroke:var(--target);stroke-width:1.8;stroke-dasharray:7 4}
.raw{stroke:var(--raw);stroke-width:2.2;stroke-dasharray:.1 4.6;stroke-linecap:round}.stab{stroke:var(--stab);stroke-width:1.8;stroke-dasharray:8 3 2 3}
.applied{stroke:var(--applied);stroke-width:3.4}.run{fill:var(--run)}.held{fill:var(--held)}
.max,.min{stroke:var(--dim);stroke-width:1;stroke-dasharray:2 3}
.hatch{stroke:var(--lost);stroke-width:1.2;opacity:.55}.gap{fill:url(#hatch)}.halo,.gapword{paint-order:stroke;stroke:var(--bg);stroke-width:4px;stroke-linejoin:round}\
.gapword{fill:var(--lost);font-weight:600;text-anchor:middle}
.Up{fill:var(--up)}.Bound{fill:var(--max)}.Window{fill:var(--window)}.Lost{fill:var(--lost)}.Free{fill:var(--ok);opacity:.3}.Other{fill:var(--dim)}
.slash{stroke:var(--bg);stroke-width:1.4;opacity:.35}.tex{fill:url(#slash)}
.word{fill:var(--bg);font-weight:600;font-size:11.5px;text-anchor:middle}
.mark{font-size:12px;font-weight:600;fill:var(--fg);text-anchor:middle}
.head{stroke:var(--fg);stroke-width:1.2;opacity:.6}.beat{text-anchor:end;font-size:15px;font-weight:600;fill:var(--fg);opacity:0}.curtain{display:none}
";

/// Textures, so that a stretch is told apart without colour.
pub(super) const PATTERNS: &str = "<defs><pattern id=\"hatch\" width=\"7\" height=\"7\" patternUnits=\"userSpaceOnUse\" \
patternTransform=\"rotate(45)\"><path class=\"hatch\" d=\"M0 0v7\"/></pattern><pattern id=\"slash\" width=\"6\" height=\"6\" \
patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\"><path class=\"slash\" d=\"M0 0v6\"/></pattern></defs>";

/// The moving part, only for readers who did not ask for less motion. `beats` are shares of the reveal, each with its text.
pub(super) fn motion(beats: &[(f64, String)]) -> String {
    let shown = REVEALED * 100.0;
    let mut out = format!(
        "@media(prefers-reduced-motion:no-preference){{.curtain{{display:inline;animation:reveal {LOOP_SECONDS}s linear infinite}}\n\
         @keyframes reveal{{0%{{transform:none;opacity:1}}{shown}%{{transform:translateX({}px);opacity:1}}{:.1}%,100%{{transform:translateX({}px);opacity:0}}}}\n",
        RIGHT - LEFT,
        shown + 0.1,
        RIGHT - LEFT
    );
    for (index, (share, _)) in beats.iter().enumerate() {
        let from = share * shown;
        let until = beats.get(index + 1).map_or(100.0, |(next, _)| next * shown);
        // A beat of no length would make key frames that run backwards.
        let (fade_in, fade_out) = ((from + 1.0).min(until), (until - 1.0).max(from));
        let _ = writeln!(
            out,
            ".b{index}{{animation:b{index} {LOOP_SECONDS}s linear infinite}}@keyframes b{index}{{0%,{from:.2}%{{opacity:0}}\
             {fade_in:.2}%{{opacity:1}}{fade_out:.2}%{{opacity:1}}{until:.2}%,100%{{opacity:{}}}}}",
            u8::from(index + 1 == beats.len())
        );
    }
    out.push('}');
    out
}
