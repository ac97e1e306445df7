"""`python -m lwm2m_ml` is the `lwm2m-ml` command."""

from lwm2m_ml.cli.main import main

if __name__ == "__main__":
    main()
