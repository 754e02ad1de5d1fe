"""The importers: tables as programs write them, and what is refused with line and column."""

from __future__ import annotations

import io
import json
import warnings

import numpy as np
import openpyxl
import pandas as pd
import pytest
import yaml

import printproof as audit
from printproof import reading
from printproof.errors import RecordError
from printproof.importing import import_tables
from printproof.importing._record import levels, said
from study import cli

ESTTAB = r"""
\begin{table}[htbp]\centering
\def\sym#1{\ifmmode^{#1}\else\(^{#1}\)\fi}
\caption{Prices}
\begin{tabular}{l*{2}{cc}}
\hline\hline
            &\multicolumn{2}{c}{(1)}           &\multicolumn{2}{c}{(2)}           \\
            &\multicolumn{2}{c}{price}         &\multicolumn{2}{c}{price}         \\
\hline
mpg         &      -294.2\sym{***}&     (-5.28)&      -299.6\sym{***}&     (-4.73)\\
foreign     &      1767.3\sym{*}  &      (2.52)&      1102.3         &      (1.22)\\
[1em]
\_cons      &     11905.4\sym{***}&     (10.28)&     10856.2\sym{***}&      (4.79)\\
rep dummies &          No         &            &         Yes         &            \\
\hline
\(N\)       &          74         &            &          69         &            \\
\hline\hline
\multicolumn{5}{l}{\footnotesize \textit{t} statistics in parentheses}\\
\multicolumn{5}{l}{\footnotesize \sym{*} \(p<0.05\), \sym{**} \(p<0.01\), \sym{***} \(p<0.001\)}\\
\end{tabular}
\end{table}
"""

STARGAZER = r"""
% Table created by stargazer v.5.2.2
\begin{table}[!htbp] \centering
  \caption{Turnout, 100\% of it}
  \label{tab:x}
\begin{tabular}{@{\extracolsep{5pt}}lcc}
\\[-1.8ex]\hline
\hline \\[-1.8ex]
 & \multicolumn{2}{c}{\textit{Dependent variable:}} \\
\cline{2-3}
\\[-1.8ex] & turnout\_change & dempct\_change \\
\\[-1.8ex] & (1) & (2)\\
\hline \\[-1.8ex]
 office & 0.004$^{***}$ & 0.009$^{***}$ \\
  & (0.001) & (0.002) \\
  & & \\
 battle & $-$2,971.032$^{**}$ &  \\
  & \multicolumn{1}{c}{(-5,000.1$, $-900.5)} &  \\
  & & \\
\hline \\[-1.8ex]
Observations & 6,224 & 6,224 \\
Adjusted R$^{2}$ & 0.419 & 0.469 \\
F Statistic & 3,396.742$^{***}$ (df = 1; 972) & 2.1 (df = 1; 972) \\
\hline
\hline \\[-1.8ex]
\textit{Note:}  & \multicolumn{2}{r}{Specification 1: Linear} \\
 & \multicolumn{2}{r}{$^{*}$p$<$0.1; $^{**}$p$<$0.05; $^{***}$p$<$0.01} \\
\end{tabular}
\end{table}
"""

MODELSUMMARY = r"""
\begin{table}
\begin{talltblr}[         %% tabularray outer open
caption={Loans},
note{}={+ p \num{< 0.1}, * p \num{< 0.05}, ** p \num{< 0.01}, *** p \num{< 0.001}},
note{ }={Standard errors clustered at the country level, in parentheses.},
]                     %% tabularray outer close
{                     %% tabularray inner open
colspec={Q[]Q[]Q[]},
cell{1}{2}={c=2,}{halign=c,},
hline{3}={1-3}{solid, black, 0.05em},
}                     %% tabularray inner close
& IMF &  \\
& Loan & Approval \\
USA Influence & \num{0.142} & \num{-5.835}*** \\
& (\num{0.261}) & (\num{1.558}) \\
EUP $\times$ \newline US & \num{4.306}+ & \num{-11.698} \\
& (\num{1.218}) & (\num{7.652}) \\
Num.Obs. & \num{1200} & \num{1199} \\
R2 Adj. & \num{0.1} & \num{0.2} \\
Std.Errors & by: country & by: country \\
\end{talltblr}
\end{table}
"""

PANELS = r"""
\begin{table}
\caption{Table 5: Panels}
\begin{threeparttable}
\begin{tabular*}{\textwidth}{@{\extracolsep{\fill}}lS[table-format=1.3]SS}
\toprule
& \multicolumn{2}{c}{Wages} & \multicolumn{1}{c}{Hours} \\
\cmidrule(lr){2-3}\cmidrule(lr){4-4}
& {(1)} & {(2)} & {(3)} \\
\midrule
\multicolumn{4}{l}{\textit{Panel A. Men}} \\
Zone & 0.12\tnote{a} & .34\textsuperscript{**} & $-0.05^{\dagger}$ \\
     & (0.10) & [0.11] & (0.02) \\
     & \{0.2\} &  &  \\
Age  & -- & 1.2e-05 & <0.001 \\
     &   & (1\,234.5) & (0.2) \\
\midrule
\multicolumn{4}{l}{\textit{Panel B. Women}} \\
Zone & 0.12 & .34 & $5 \times 10^{-3}$ \\
     & (0.10) & (0.11) & (0.02) \\
\midrule
Controls & Yes & No & Yes \\
Method & OLS & 2SLS & 2SLS \\
N & 1{,}234 & 1,200 & 900 \\
\bottomrule
\end{tabular*}
\begin{tablenotes}
\item[a] A footnote.
\item Standard errors in parentheses, $p$-values in brackets.
\end{tablenotes}
\end{threeparttable}
\end{table}
Text between.
\begin{tabular}{lcc}
 & Mean & SD \\ \hline
x & 1,234 & 0.5 \\
\end{tabular}
"""

CHINESE = """\
表3 自贸试验区对城市高质量发展的影响
变量,(1),(2)
,HQD,HQD
自贸试验区,0.163***,0.205***
,（4.80）,（13.05）
人均GDP,,−0.012*
,,（－1.71）
常数项,1.20***,1.10***
,（9.1）,（8.7）
城市固定效应,是,是
样本量,130,130
R²,0.52,0.61
注：括号内为t值；***、**、*分别表示在1%、5%、10%的水平上显著。
"""

PASTED = """\
Table 2. Effects
Variables (1) (2)
Free trade zone 0.163*** 0.205***
(0.034) (0.050)
Controls No Yes
Observations 85 85
Notes: Standard errors in parentheses. * p<0.1, ** p<0.05, *** p<0.01
"""

PIPES = """\
|            | (1)          | (2)        |
|:-----------|:-------------|:-----------|
| zone       | 0.16***      |            |
|            | (0.03)       |            |
| age        | 0.10         | 0.2        |
|            | [0.01, 0.19] | [0.1; 0.3] |
| N          | 85           | 90         |
"""


def content(text, file, **options):
    data = text if isinstance(text, bytes) else text.encode()
    record = import_tables(data, file, **options)
    (paper,) = yaml.load(record, Loader=yaml.BaseLoader).values()
    return {k: v for k, v in paper.items() if k != "declare"}


def table(text, file, **options):
    (found,) = content(text, file, **options).values()
    return found


# --- as programs write them -----------------------------------------------------------------------


def test_esttab_with_statistics_beside_coefficients():
    found = table(ESTTAB, "a.tex")
    assert found["title"] == "Prices" and found["parentheses"] == "t"
    assert found["declare"]["stars"] == {"*": "0.05", "**": "0.01", "***": "0.001"}
    assert found["(1)"]["mpg"] == ["-294.2***", "(-5.28)"]
    assert found["(2)"]["foreign"] == ["1102.3", "(1.22)"]
    assert found["(2)"]["rep dummies"] == "Yes" and found["(2)"]["N"] == "69"


def test_stargazer_with_intervals_and_degrees_of_freedom():
    found = table(STARGAZER, "a.tex")
    assert found["title"] == "Turnout, 100% of it" and found["parentheses"] == "unknown"
    assert found["(1)"]["outcome"] == "turnout_change"
    assert found["(1)"]["battle"] == ["-2,971.032**", "[-5,000.1, -900.5]"]
    assert "battle" not in found["(2)"] and found["(2)"]["Adjusted R2"] == "0.469"
    assert [found["(1)"][k] for k in ("F", "F, df 1", "F, df 2")] == ["3,396.742", "1", "972"]


def test_modelsummary_in_tabularray():
    found = table(MODELSUMMARY, "a.tex")
    assert found["title"] == "Loans" and found["parentheses"] == "se"
    assert found["declare"]["stars"] == {"*": "0.05", "**": "0.01", "***": "0.001"}
    assert found["IMF, Loan"]["EUP × US"] == ["4.306+", "(1.218)"]
    assert found["IMF, Approval"]["N"] == "1199"
    assert found["IMF, Approval"]["Std.Errors"] == "by: country"


def test_panels_marks_brackets_and_two_tables_of_one_file():
    found = content(PANELS, "a.tex")
    first, second = found["table5"], found["table2"]
    men, women = first["Panel A. Men"], first["Panel B. Women"]
    assert men["(1)"] == {"Zone": ["0.12", "(0.10)", "{0.2}"], "Age": "–"}
    assert men["(2)"] == {"Zone": [".34**", "[0.11]"], "Age": ["1.2e-05", "(1\u2009234.5)"]}
    assert men["(3)"] == {"Zone": ["-0.05†", "(0.02)"], "Age": ["<0.001", "(0.2)"]}
    assert (men["parentheses"], men["brackets"], men["braces"]) == ("se", "p", "unknown")
    assert women["(3)"]["Zone"][0] == "5e-3" and women["(1)"]["N"] == "1,234"
    assert women["notes"] == ["Method: (1) OLS; (2) 2SLS; (3) 2SLS"]
    assert first["notes"][0] == "[a] A footnote."
    assert second == {"columns": ["Mean", "SD"], "rows": {"x": ["1,234", "0.5"]}}
    assert content(PANELS, "a.tex", table=2)["table1"] == second
    assert "0.12ᵃ carries a footnote mark" in import_tables(PANELS.encode(), "a.tex")


@pytest.fixture(scope="module")
def models():
    import pyfixest as pf
    import statsmodels.api as sm

    rng = np.random.default_rng(1)
    data = pd.DataFrame(rng.normal(size=(80, 3)), columns=["Y", "X1", "X2"])
    short, long = (sm.OLS(data.Y, sm.add_constant(data[x])).fit() for x in (["X1"], ["X1", "X2"]))
    return data, [short, long], [pf.feols(f, data) for f in ("Y~X1", "Y~X1+X2")]


@pytest.mark.parametrize("kind", ["tex", "html"])
def test_pyfixest_etable(models, kind):
    import pyfixest as pf

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shown = str(pf.etable(models[2], type=kind))
    found = table(shown, f"a.{kind}")
    printed = f"{models[2][1].coef()['X2']:.3f}"
    assert found["(2)"]["X2"][0].rstrip("*") == printed and len(found["(2)"]["X2"]) == 2
    assert found["(1)"]["N"] == "80" and "X2" not in found["(1)"] and "R2" in found["(1)"]
    assert found["declare"]["stars"] == {"*": "0.05", "**": "0.01", "***": "0.001"}
    assert found["parentheses"] == "se"


@pytest.mark.parametrize("kind", ["as_text", "as_latex", "as_html"])
def test_statsmodels_summary_col(models, kind):
    from statsmodels.iolib.summary2 import summary_col

    names = {"model_names": ["(1)", "(2)"], "info_dict": {"N": lambda m: f"{m.nobs:.0f}"}}
    shown = getattr(summary_col(models[1], stars=True, **names), kind)()
    found = table(shown, "a.txt")
    short, long = (m.params for m in models[1])
    assert found["(1)"]["X1"][0].rstrip("*") == f"{short['X1']:.4f}" and found["(1)"]["N"] == "80"
    assert found["(2)"]["X2"][0].rstrip("*") == f"{long['X2']:.4f}" and "X2" not in found["(1)"]
    assert found["(2)"]["Adjusted R2"] == f"{models[1][1].rsquared_adj:.4f}"


@pytest.mark.parametrize("kind", ["csv", "tsv", "xlsx", "html", "tex", "long.tex", "txt"])
def test_pandas_describe(models, kind, tmp_path):
    frame = models[0].describe().T.round(3)
    path = tmp_path / f"a.{kind}"
    {
        "csv": lambda: frame.to_csv(path),
        "tsv": lambda: frame.to_csv(path, sep="\t"),
        "xlsx": lambda: frame.to_excel(path),
        "html": lambda: frame.to_html(path),
        "tex": lambda: frame.to_latex(path, float_format="%.3f"),
        "long.tex": lambda: frame.to_latex(path, longtable=True, caption="Long"),
        "txt": lambda: path.write_text(frame.to_string()),
    }[kind]()
    found = table(path.read_bytes(), path.name)
    assert found["columns"] == ["count", "mean", "std", "min", "25%", "50%", "75%", "max"]
    assert {k: float(v[1]) for k, v in found["rows"].items()} == frame["mean"].to_dict()


@pytest.mark.parametrize("kind", ["to_html", "to_latex"])
def test_labels_and_headings_of_two_levels(models, kind):
    wide = models[0].assign(g=list("ab") * 40).groupby("g")[["Y", "X1"]].agg(["mean", "std"])
    found = table(getattr(wide.round(3), kind)(), "a")
    assert float(found["X1"]["rows"]["b"][0]) == wide["X1", "mean"]["b"].round(3)
    found = table(getattr(wide.round(3).stack(0), kind)(), "a")
    assert float(found["rows"]["b, X1"][1]) == wide["X1", "std"]["b"].round(3)


ODDS = r"""
\begin{longtable}{l@{\hspace{1em}}cc}
\caption[short]{\'Ecole {\small of} $\hat\beta$ \& \alpha} \label{tab:o} \\
\toprule & OLS\footnote{Least squares.} & IV \\ \midrule \endfirsthead
\toprule & OLS & IV \\ \midrule \endhead
\multicolumn{3}{r}{continued} \\ \endfoot
\multicolumn{3}{l}{\textit{z} statistics in parentheses.} \\ \endlastfoot
$\frac{a}{b}$ &
\begin{tabular}{@{}c@{}}0.12$^{*}$ \\ (2.1)\end{tabular} & \makecell{--0.3 \\ (--1.5)} \\
\rowcolor{gray} \multirow{2}{*}{$x_{t-1}$} & 1.2\footnotemark[2] & \textcolor{red}{0.5} \\
 & (2.0) & \phantom{-}(0.9) \\
FE & \ding{51} & \ding{55} \\
\end{longtable}
"""


def test_odd_corners_of_latex():
    found = table(ODDS, "a.tex")
    assert found["title"] == "École of β̂ & α" and found["parentheses"] == "z"
    assert found["OLS"] == {"a/b": ["0.12*", "(2.1)"], "x_t-1": ["1.2", "(2.0)"], "FE": "✓"}
    assert found["IV"] == {"a/b": ["–0.3", "(–1.5)"], "x_t-1": ["0.5", "(0.9)"], "FE": "✗"}
    assert found["notes"][-1] == "Least squares." and len(found["notes"]) == 2


# --- what TeX does before it sets a table ---------------------------------------------------------

OWN = r"""
\newcommand{\zone}{Zone effect} % of the preamble
\newcommand*\mrow[2]{\parbox{#1}{#2}}
\newcommand{\cell}[2][b]{\begin{tabular}[#1]{@{}c@{}}#2\end{tabular}}
\def\pair#1#2{#1 & #2}
\let\nl=\tabularnewline
\DeclareMathOperator{\score}{Score}
\newenvironment{results}[1]{\begin{tabular}{#1}}{\end{tabular}}
\begin{results}{lcc}
 & \cell{Long\\[-0.1cm]head} & $\score$ \\ \hline
\mrow{4cm}{\zone} & 0.5\sym{**} & 0.40 \nl
 & (0.2) & (0.10) \nl
Age & \pair{0.1*}{0.3} \nl
\input{rows}
\end{results}
"""


def test_commands_environments_and_files_of_a_paper_are_put_in(tmp_path):
    (tmp_path / "rows.tex").write_text("N & 80 & 90 \\\\ % all\n")
    found = table(OWN, str(tmp_path / "a.tex"))
    assert found["Long head"] == {"Zone effect": ["0.5**", "(0.2)"], "Age": ["0.1*"], "N": "80"}
    assert found["Score"] == {"Zone effect": ["0.40", "(0.10)"], "Age": ["0.3"], "N": "90"}
    (tmp_path / "rows.tex").write_text("N & 80 & 9x0 \\\\\n")
    with pytest.raises(RecordError, match=r"rows\.tex:1:10: '9x0' is not a printed number"):
        table(OWN, str(tmp_path / "a.tex"))


def body(rows, head=""):
    return f"{head}\\begin{{tabular}}{{lc}}\n & (1) \\\\\n{rows}\n\\end{{tabular}}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (body("x & \\foo{1} \\\\"), r"a\.tex:3:5: \\foo is not understood; put its \\newcommand"),
        (body("\\input{none}"), r"a\.tex:3:1: \\input names 'none', which is not beside"),
        (body("x & \\input \\\\"), r"a\.tex:3:5: \\input names no file"),
        (body("\\a", "\\def\\a{\\a\\a}"), "never comes to an end"),
        (body("x & \\d{1}x \\\\", "\\newcommand\\d[1]{0.#1}\n"), r"a\.tex:4:5: '0\.1x' is not"),
        (body("x & \\t1. \\\\", "\\def\\t#1.{#1}\n"), r"\\t is not understood"),
        ("\\begin{tabbing} a & 1 \\end{tabbing}", r"a\.tex:1:1: tabbing is not read"),
        (body("x & 0.1 \\\\") + body("x & \\foo \\\\"), r"\(--table leaves out this table, 2\)"),
    ],
)
def test_what_tex_is_not_carried_out_is_refused_where_it_stands(text, message):
    with pytest.raises(RecordError, match=message):
        import_tables(text.encode(), "a.tex")


@pytest.mark.parametrize(
    ("rows", "entry"),
    [
        (r"x & \num{0.10}\rlap{$^{**}$} \\ & (0.04)", ["0.10**", "(0.04)"]),
        (r"x & {$\tablenum{1.5}^{***}$} \\ & \phantom{-}(0.4)", ["1.5***", "(0.4)"]),
        (r"\multirow{2}{*}{x} & .5\sym{*} \\[2pt] & \multicolumn{1}{c}{[0.2]}", [".5*", "[0.2]"]),
        (r"x & \begin{array}{c}0.3\\(0.1)\end{array} \\", ["0.3", "(0.1)"]),
        (r"x & $ 0.3^{} $ \\ (in logs) & $ ( 0.1 ) $", ["0.3", "( 0.1 )"]),
        (r"x & $-$0.3 \\ (t) & (1.1)", ["-0.3", "(1.1)"]),
    ],
)
@pytest.mark.parametrize("around", ["tabular}", "tabularx}{10cm}", "longtable}", "tabu} to 9cm "])
def test_ways_to_set_a_number(rows, entry, around):
    name = around.split("}")[0]
    found = table(f"\\begin{{{around}{{lS}}\n & (1) \\\\\n{rows}\n\\end{{{name}}}", "a.tex")
    ((label, read),) = found["(1)"].items()
    assert label in {"x", "x (in logs)"} and read == entry


def test_a_fragment_holds_rows_alone_and_words_are_left_out():
    found = table("\\def\\sym#1{\\ifmmode^{#1}\\fi}\nx & 0.2\\sym{**} \\\\ & (0.1) \\\\", "a.tex")
    assert found["(1)"] == {"x": ["0.2**", "(0.1)"]}
    words = "\\begin{tabular}{ll} Name & Meaning \\\\ x & of 1850--2017 \\\\ \\end{tabular}"
    record = import_tables((words + body("x & 0.1 \\\\")).encode(), "a.tex")
    assert "# Left out: a.tex:1:" in record and "no row of numbers" in record
    with pytest.raises(RecordError, match="no row of numbers"):
        import_tables((words + body("x & 0.1 \\\\")).encode(), "a.tex", table=1)


def test_columns_of_intervals_are_parted_and_columns_of_remarks_are_notes():
    rows = [
        "v,Mean,95% C.I.,Remark",
        'x,0.5,"(0.1, 0.9)",since 2010',
        'y,0.4,"(0.2, 0.6)",',
        "z,1.0,,",
    ]
    found = table("\n".join(rows), "a.csv")
    assert found["columns"] == ["Mean", "ci_low", "ci_high"]
    assert found["rows"] == {
        "x": ["0.5", "0.1", "0.9"],
        "y": ["0.4", "0.2", "0.6"],
        "z": ["1.0", "", ""],
    }
    assert found["notes"] == ["Remark: x: since 2010"]


def test_a_sheet_of_several_tables_and_odd_html():
    text = "\n".join(
        ["Table 1. A,,", ",mean,sd", "x,1.0,2.0", "Table 2. B,,", ",mean,sd", "x,3.0,4.0"]
    )
    found = content(text, "a.csv")
    assert [t["rows"]["x"][0] for t in found.values()] == ["1.0", "3.0"]
    page = "<table><caption>C</caption><tr><th>v<th>Mean<br>all<th>(1)</tr><tr><td rowspan=2>x"
    page += "<td>2<td>0.1<sup>*</sup><sup>1</sup></tr><tr><td><td>(0.2)</tr></table>"
    found = table(page, "a.html", told={"parentheses": "se"})
    assert found["(1)"]["x"] == ["0.1*", "(0.2)"] and found["title"] == "C"
    assert found["Mean all"]["x"] == ["2"]


@pytest.mark.parametrize("seed", range(4))
def test_a_mutated_file_gives_a_record_or_one_clear_error(seed):
    rng = np.random.default_rng(seed)
    sources = [(ESTTAB, "a.tex"), (PANELS, "a.tex"), (CHINESE, "a.csv"), (PASTED, "a.txt")]
    signs = list("\\{}&%$[]()*,.;|\n\t 0123x^_-")
    for _ in range(40):
        text, file = sources[rng.integers(len(sources))]
        for _ in range(rng.integers(1, 4)):
            at = int(rng.integers(len(text)))
            text = text[:at] + str(rng.choice(signs)) + text[at + int(rng.integers(0, 3)) :]
        try:
            content(text, file)
        except RecordError as error:
            assert str(error).startswith((f"{file}:", "the record:", "a/")), error


# --- files and encodings --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        CHINESE.encode(),
        CHINESE.encode("gb18030"),
        CHINESE.replace("\n", "\r\n").encode("utf-8-sig"),
        CHINESE.encode("utf-16"),
    ],
)
def test_a_chinese_table_in_its_encodings(data):
    found = content(data, "a.csv")["table3"]
    assert found["parentheses"] == "t"
    assert found["declare"]["stars"] == {"*": "0.1", "**": "0.05", "***": "0.01"}
    assert found["(2)"]["人均GDP"] == ["−0.012*", "(－1.71)"]
    assert found["(1)"] == {
        "自贸试验区": ["0.163***", "(4.80)"],
        "Constant": ["1.20***", "(9.1)"],
        "城市固定效应": "是",
        "N": "130",
        "R2": "0.52",
    }


def test_text_in_a_western_encoding_is_asked_for():
    data = "a,mean,sd\nSociété générale,0.1,0.2\n".encode("latin-1")
    with pytest.raises(RecordError, match=r"a\.csv: .*--encoding"):
        import_tables(data, "a.csv")
    assert "Société générale" in table(data, "a.csv", encoding="latin-1")["rows"]


def test_headings_that_are_repeated_above_each_panel():
    lines = [
        ",(1),(2)",
        "Panel A: men,,",
        "x,0.1*,0.2",
        "Panel B: women,,",
        ",(1),(2)",
        "x,0.3,0.4*",
    ]
    found = table("\n".join(lines), "a.csv")
    assert found["Panel A: men"]["(1)"] == {"x": ["0.1*"]}
    assert found["Panel B: women"]["(2)"] == {"x": ["0.4*"]}


def test_a_name_on_a_line_of_its_own_belongs_to_the_numbers_below():
    lines = [
        ",(1),(2)",
        "age,0.1,0.2*",
        ",(0.2),(0.1)",
        "free trade zone,,",
        ",0.3,0.4*",
        ",(0.1),",
    ]
    lines += ["Fixed effects,,", "city,yes,no", "Sources: none,,"]
    found = table("\n".join(lines), "a.csv")
    assert found["(1)"]["free trade zone"] == ["0.3", "(0.1)"] and found["(1)"]["city"] == "yes"
    assert found["notes"] == ["Sources: none"] and found["(2)"]["age"] == ["0.2*", "(0.1)"]


def test_pasted_text_with_one_space_or_pipes_between_cells():
    found = table(PASTED, "a.txt")
    assert found["title"] == "Table 2. Effects" and found["parentheses"] == "se"
    assert found["(2)"] == {
        "Free trade zone": ["0.205***", "(0.050)"],
        "Controls": "Yes",
        "N": "85",
    }
    found = table(PIPES, "a.md")
    assert found["(2)"] == {"age": ["0.2", "[0.1, 0.3]"], "N": "90"}
    assert found["(1)"]["zone"] == ["0.16***", "(0.03)"]


def test_intervals_of_pasted_text_are_one_cell():
    lines = ["Table 3 Posterior means", "                 All           Some", ""]
    lines += ["RF             0.426          0.417", "           (0.395, 0.455)  (-0.387, 0.448)"]
    found = table("\n".join(lines), "a.txt")
    assert found["All"] == {"RF": ["0.426", "[0.395, 0.455]"]}
    assert found["Some"]["RF"] == ["0.417", "[-0.387, 0.448]"]


def workbook(rows, formats=(), merge=()):
    book = openpyxl.Workbook()
    page = book.active
    for row in rows:
        page.append(row)
    for cell, shape in formats:
        page[cell].number_format = shape
    for area in merge:
        page.merge_cells(area)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def test_excel_cells_are_read_as_they_are_shown():
    rows = [["Table 4", None, None], ["", "Y", None], ["", "(1)", "(2)"], ["x", 0.1634, -0.2]]
    rows += [[None, 0.034, "(0.05)"], ["N", 1234, 1200]]
    formats = [("B4", "0.000"), ("C4", "0.00"), ("B5", '"("0.000")"'), ("B6", "#,##0")]
    found = table(workbook(rows, formats, ["B2:C2"]), "a.xlsx")
    assert found["(1)"] == {"x": ["0.163", "(0.034)"], "N": "1,234"}
    assert found["(2)"] == {"x": ["-0.20", "(0.05)"], "N": "1200"}
    assert found["title"] == "Table 4"


@pytest.mark.parametrize(
    ("value", "shape", "message"),
    [
        ("=1+1", "General", r"a\.xlsx:Sheet:2:2 \(cell B2\): the formula"),
        (pd.Timestamp("2020-01-01"), "yyyy-mm-dd", "neither number nor text"),
        (0.5, "# ?/?", "format"),
    ],
)
def test_excel_cells_that_show_no_number_are_refused(value, shape, message):
    with pytest.raises(RecordError, match=message):
        import_tables(workbook([["", "mean"], ["x", value]], [("B2", shape)]), "a.xlsx")


def test_five_hundred_columns(tmp_path):
    head = ",".join(["", *(f"({k})" for k in range(1, 501))])
    rows = [",".join(["x", *["0.10***"] * 500]), ",".join(["", *["(0.02)"] * 500])]
    found = table("\n".join([head, *rows]), "a.csv", told={"parentheses": "se"})
    assert found["(500)"] == {"x": ["0.10***", "(0.02)"]} and len(found) == 501


# --- what is refused, and what is asked -----------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("a.csv", "", "no table was found"),
        ("a.tex", "no table here", "no table was found"),
        ("a.csv", "just words\nand more\n", "no row of numbers"),
        ("a.tsv", "v\tmean\tsd\nx\t0,163\t1,234\n", r"a\.tsv:2:2: .*--decimal"),
        ("a.csv", "v,mean\nx,0.1.2\n", r"a\.csv:2:2: '0\.1\.2' is not a printed number"),
        ("a.csv", "v,mean\nx,0.12x\n", r"a\.csv:2:2: "),
        ("a.csv", "v,(1)\nx,0.1*\nx,0.2*\n", r"a\.csv:3:1: the row 'x' stands twice"),
        ("a.csv", "v,(1)\n,0.1*\n", r"a\.csv:2:2: this row has no name"),
        ("a.csv", "v,(1),(2)\nx,0.1*,\n,,(0.2)\n", r"a\.csv:3:3: '\(0\.2\)' stands below no coeff"),
        ("a.csv", "v,(1)\nx,0.1*\n,(2.0)*\n", "stars stand at two numbers"),
        ("a.csv", "v,(1)\nx,0.1*\n,(2)\n,(3)\n", r"a\.csv:4:2: '\(3\)' is one number too many"),
        ("a.csv", "v,(1)\nx,1\n,words\ny,2\n", "headings stand here again"),
        ("a.csv", 'v,mean\nx,"0.1\n', "cannot be read"),
        ("a.txt", "v  (1)  (2)\nx  0.1  0.2\na longer name  0.1\n", "cannot tell the columns"),
        (
            "a.tex",
            "\\begin{tabular}{lc}\n & a \\\\\nx & \\foo{1} \\\\\n\\end{tabular}",
            r":3:5: \\foo",
        ),
        ("a.tex", "\\begin{tabular}{lc}\nx & 1 \\\\\n", r"a\.tex:1:1: .* is never closed"),
        ("a.tex", "\\begin{tabular}{lc}\nx & {1 \\\\\n\\end{tabular}", "never closed"),
        ("a.txt", PASTED.replace("(0.050)", ">050)"), r"a\.txt:4:1: 0\.034 .* found no place"),
        ("a.html", "", "cannot be read"),
        ("a.html", "<p>words</p>", "no table was found"),
        ("a.xlsx", "PK\x03\x04", "cannot be read as .xlsx"),
        ("a.csv", "v,(1),(2)\nx,0.1*,0.2\n,(3),(4)\ny,0.2*,3\n", "headings stand here again"),
    ],
)
def test_what_is_not_understood_is_refused_where_it_stands(file, text, message):
    with pytest.raises(RecordError, match=message):
        import_tables(text.encode(), file)


def test_a_table_that_is_not_there_is_refused():
    with pytest.raises(RecordError, match="there is no table 3; there are 2"):
        import_tables(PANELS.encode(), "a.tex", table=3)
    with pytest.raises(RecordError, match=r"save it as \.xlsx"):
        import_tables(b"\xd0\xcf\x11\xe0", "a.xls")


def test_every_word_and_number_of_the_source_is_in_the_record():
    for text, file in ((CHINESE, "a.csv"), (PASTED, "a.txt"), (PIPES, "a.md")):
        record = import_tables(text.encode(), file)
        written = record.replace("（", "(").replace("）", ")")
        for word in text.translate(str.maketrans("（）", "()", "|:")).replace(",", " ").split():
            assert word.strip("-[];") in written, word


@pytest.mark.parametrize(
    ("note", "kind"),
    [
        ("Robust standard errors in parentheses", "se"),
        ("t-statistics in parentheses; standard errors in brackets", "t"),
        ("p-values, two-sided, are shown in parentheses.", "p"),
        ("t-statistics based on robust standard errors in parentheses", "unknown"),
        ("Standard errors in brackets", "unknown"),
        ("括号内为稳健标准误", "se"),
        ("nothing", "unknown"),
    ],
)
def test_what_a_note_says_of_parentheses(note, kind):
    assert said([note], "parentheses")[0] == kind


@pytest.mark.parametrize(
    ("note", "found"),
    [
        ("***p<.01, **p<.05, *p<.1", {"*": ".1", "**": ".05", "***": ".01"}),
        ("* significant at 10%; ** significant at 5%", {"*": "0.1", "**": "0.05"}),
        ("*** and ** denote significance at 1% and 5%, * at 10%", {}),
        ("**, * denote significance at 5% and 10%", {"*": "0.1", "**": "0.05"}),
        ("*** and ** at 1% or so", {}),
        ("* p<0.01, ** p<0.05", {}),
        ("* growth of 3 percent", {}),
    ],
)
def test_levels_of_stars_are_read_only_where_all_are_printed(note, found):
    assert levels([note])[0] == found


# --- into the audit -------------------------------------------------------------------------------

BY_HAND = """
mine:
  declare: {scale: linear, df: normal, tails: two, rounding: nearest}
  table1:
    declare: {stars: {"*": 0.1, "**": 0.05, "***": 0.01}}
    brackets: p
    parentheses: se
    "(1)": {x: ["0.205***", "(0.050)", "[0.500]"], z: ["0.1", "(0.2)"], N: "85"}
    "(2)": {x: ["0.200*", "(0.300)"], N: "80"}
"""
PRINTED = r"""
\begin{tabular}{lcc} \hline & (1) & (2) \\ \hline
x & 0.205\sym{***} & 0.200\sym{*} \\ & (0.050) & (0.300) \\ & [0.500] & \\
z & 0.1 & \\ & (0.2) & \\ \hline N & 85 & 80 \\ \hline
\multicolumn{3}{l}{Standard errors in parentheses, $p$-values in brackets}\\
\multicolumn{3}{l}{* p<0.1, ** p<0.05, *** p<0.01}\\
\end{tabular}
"""


def verdicts(path, capsys):
    assert cli.main(["audit", str(path), "--json"]) == 0
    lines = map(json.loads, capsys.readouterr().out.splitlines())
    return sorted((c["rule"], tuple(c["cells"]), c["verdict"]) for c in lines if "rule" in c)


def test_an_imported_record_has_the_verdicts_of_one_written_by_hand(tmp_path, capsys):
    mine, source, out = (tmp_path / n for n in ("mine.yml", "mine.tex", "out.yml"))
    mine.write_text(BY_HAND)
    source.write_text(PRINTED)
    assert cli.main(["audit", "import", str(source), "--out", str(out)]) == 0
    assert "compare it with the print" in capsys.readouterr().err
    record = out.read_text().replace("# df: residual", "df: normal")
    for line in ("scale: linear", "tails: two", "rounding: nearest"):
        record = record.replace(f"# {line}", line)
    out.write_text(record)
    found = verdicts(out, capsys)
    assert found == verdicts(mine, capsys)
    assert {v for _, _, v in found} >= {"impossible", "consistent"}


def test_parentheses_that_nobody_declares_are_undecided(tmp_path):
    record = import_tables(STARGAZER.encode(), "a.tex")
    (study,) = [reading.study(k, v) for k, v in yaml.load(record, Loader=yaml.BaseLoader).items()]
    ledger = audit.audit([study])
    (check,) = [c for c in ledger if c.rule == "not decidable"]
    assert check.verdict == "undecided" and check.declare == "`parentheses: se`"
    assert "a/table1/office, in parentheses/(1)/value" in check.cells
    told = import_tables(STARGAZER.encode(), "a.tex", told={"parentheses": "se"})
    assert "parentheses: se  # the importer was told" in told
    assert not ledger.counts["impossible"]


def test_brackets_of_one_kind_cannot_mean_the_same_twice():
    entry = {"x": ["0.1", "(0.2)", "[0.3]"]}
    with pytest.raises(RecordError, match="no coefficient"):
        reading.study("p", {"table1": {"parentheses": "se", "brackets": "se", "(1)": entry}})
    with pytest.raises(RecordError, match="brackets are one of"):
        reading.study("p", {"table1": {"brackets": "sd", "(1)": entry}})


def test_nothing_is_written_where_the_import_fails(tmp_path, capsys, monkeypatch):
    source, out = tmp_path / "a.csv", tmp_path / "out.yml"
    source.write_text("v,mean\nx,0.1.2\n")
    assert cli.main(["audit", "import", str(source), "--out", str(out)]) == 2
    assert "ftz audit import: " in capsys.readouterr().err and not out.exists()
    assert cli.main(["audit", "import", str(tmp_path / "none.csv")]) == 2
    assert "cannot be read" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(PASTED.encode())))
    assert cli.main(["audit", "import", "-", "--parens", "t"]) == 0
    assert '"pasted":' in (shown := capsys.readouterr().out) and "parentheses: t" in shown


def test_headings_may_count_and_numbers_may_bear_their_names():
    text = r"""
\begin{tabular}{lcc}
 & 1 & 2 \\ \midrule
 Social & 4.266 & 5.1 (p=0.20) \\
 & (1.820) & \\
 & {}[0.022] & \\ \midrule
 N & 68 & 68 \\
\multicolumn{3}{l}{Standard errors are in paranthesis, p-values in square brackets.}
\end{tabular}
"""
    found = import_tables(text.encode(), "a.tex")
    assert '"1":' in found and '"2":' in found
    assert "# line 4: 5.1 (p=0.20) is written 5.1 (0.20)" in found
    assert "parentheses: se" in found and "brackets: p" in found


def test_a_line_from_the_margin_opens_a_part_and_is_no_heading():
    text = "Network,degree,density\nVillages,,\nsocial,15.3,0.07\nOthers,,\nsocial,5.7,0.03\n"
    found = import_tables(text.encode(), "a.csv")
    assert 'columns: ["degree", "density"]' in found and '"Others: social": ["5.7"' in found


def test_a_first_column_of_numbers_names_no_rows():
    with pytest.raises(RecordError, match="2:1: the first column holds numbers"):
        import_tables(b"m,se\n.349,.167\n.698,.120\n", "a.csv")


def test_a_cell_that_spans_a_million_columns_is_no_danger():
    wide = '<td>a<td colspan="99999999" rowspan="0">all'
    rows = "<tr><td>x<td>0.1<td colspan=x>0.2<tr><td>y<td>0.3<td>0.4"
    found = import_tables(f"<table><tr>{wide}{rows}</table>".encode(), "a.html")
    assert '"x": ["0.1", "0.2"' in found
