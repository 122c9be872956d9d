"""How kernels of this environment run: `make` copies it to .venv/etc/ipython/, where each kernel reads it,
whoever starts it.
"""

c = get_config()  # noqa: F821 (IPython gives it)

# An error stops the cells below it, if they have reached the kernel by then. JupyterLab's arrive one by one:
# without a moment's patience "run all" sometimes ran the cell below a choice that was refused at once.
c.Kernel.stop_on_error_timeout = 0.3  # seconds; a person takes longer to mend the choice
