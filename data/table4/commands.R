# How data/table4/outside.csv was made: R 4.2.2, plm 2.6.2, lme4 1.1.31.
#   python -m study.table4 --panels 100 --seed 1 --export panels.csv
#   Rscript commands.R panels.csv columns.csv
#   python -m study.table4 --score columns.csv
suppressMessages({library(plm); library(lme4)})
files <- commandArgs(trailingOnly = TRUE)
panels <- read.csv(files[1])
controls <- c("fe", "lnstru", "urba", "fdi", "pgdp")
random <- function(method) function(f, d)
  coef(summary(plm(f, data = d, index = c("city", "year"), model = "random", random.method = method)))[, c(1, 3)]
commands <- list(
  "lm, year dummies (R)" = function(f, d) coef(summary(lm(f, d)))[, c(1, 3)],
  "plm, random, swar (R)" = random("swar"),
  "plm, random, amemiya (R)" = random("amemiya"),
  "plm, random, walhus (R)" = random("walhus"),
  "plm, random, nerlove (R)" = random("nerlove"),
  "lmer, random intercept, REML (R)" = function(f, d)
    coef(summary(lmer(update(f, . ~ . + (1 | city)), d)))[, c(1, 3)],
  "lmer, random intercept, ML (R)" = function(f, d)
    coef(summary(lmer(update(f, . ~ . + (1 | city)), d, REML = FALSE)))[, c(1, 3)]
)
rows <- list()
for (name in names(commands)) for (p in unique(panels$panel)) for (j in 1:5) {
  d <- panels[panels$panel == p, ]
  f <- reformulate(c("FTZ", controls[1:j], "factor(year)"), "lnHQD")
  found <- tryCatch(suppressMessages(suppressWarnings(commands[[name]](f, d))), error = function(e) NULL)
  if (is.null(found)) next
  terms <- c("(Intercept)", "FTZ", controls[1:j])
  if (!all(terms %in% rownames(found))) next
  rows[[length(rows) + 1]] <- data.frame(command = name, panel = p, column = j,
    term = sub("(Intercept)", "const", terms, fixed = TRUE),
    coef = found[terms, 1], statistic = found[terms, 2])
}
write.csv(do.call(rbind, rows), files[2], row.names = FALSE)
