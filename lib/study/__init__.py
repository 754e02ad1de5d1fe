"""What is only about the five papers: the record, the policy, the evidence, their figures.

* ``published``, ``attributions``, ``policy``, ``other_studies``: what the papers print and say,
  and what others found, read from ``data/``;
* ``replication``, ``table4``, ``nested_columns``, ``printed_parts``, ``digits``: the measuring
  paper's tables, how they can have come about, and which specifications print them;
* ``witness``: panels that return those tables;
* ``evidence``, ``trials``, ``agreement``, ``findings``, ``cities``: what the book makes of it;
* ``figures``: draw what these return;
* ``cli``: the command ``ftz``.
"""
